// Pictures of a kitchen, seen from above and a little from the front. A cell is 100 units.
#include "envs/kitchen/kitchen.h"

#include <string_view>

#include "envs/draw/canvas.h"

namespace rollout {
namespace {

using namespace kitchen;  // NOLINT: this file is about nothing else
using draw::Canvas;
using draw::Color;

constexpr int kSide = 100;

constexpr Color kInk{58, 52, 64}, kPaper{250, 246, 239};
constexpr Color kFloors[2] = {{240, 229, 211}, {230, 216, 194}};
constexpr Color kWood{190, 146, 103}, kWoodLight{207, 166, 124}, kWoodDark{140, 100, 66};
constexpr Color kOnionSkin{238, 184, 72}, kTomatoSkin{220, 84, 68}, kLeaf{96, 150, 80};
constexpr Color kChina{252, 252, 250}, kRim{170, 180, 190};
constexpr Color kIron{74, 76, 90}, kIronDark{44, 45, 56}, kSteel{150, 152, 164};
constexpr Color kOnionSoup{240, 180, 60}, kTomatoSoup{226, 92, 58}, kBroth{120, 112, 116};
constexpr Color kDone{96, 196, 104}, kHeat{244, 150, 60};
constexpr Color kSkin{245, 209, 176}, kHair{112, 76, 56};
// one colour a cook: told apart by hue and by lightness
constexpr Color kCooks[kMaxPlayers] = {
    {52, 108, 208}, {38, 158, 104}, {188, 84, 168}, {218, 116, 36}};

// all around the origin ---------------------------------------------------------------------------

void DrawOnion(Canvas& canvas, int x, int y, int r) {
  canvas.Line({x, y - r}, {x + r / 3, y - r * 3 / 2}, r / 3, kLeaf);
  canvas.Disc(x, y, r, kOnionSkin.Darker(28));
  canvas.Disc(x, y, r * 5 / 6, kOnionSkin);
  canvas.Disc(x - r / 3, y - r / 3, r / 4, kOnionSkin.Lighter(60));
}

void DrawTomato(Canvas& canvas, int x, int y, int r) {
  canvas.Disc(x, y, r, kTomatoSkin.Darker(28));
  canvas.Disc(x, y, r * 5 / 6, kTomatoSkin);
  canvas.Line({x - r / 3, y - r * 2 / 3}, {x + r / 3, y - r * 2 / 3}, r / 3, kLeaf);
}

Color SoupColor(int mix) {
  return kOnionSoup.Mixed(kTomatoSoup, 100 * MixTomatoes(mix) / std::max(MixSize(mix), 1));
}

// what went in, as discs: one in the middle, two side by side, three in a triangle
void DrawPieces(Canvas& canvas, int mix, int x, int y, int spread, int r) {
  static constexpr draw::Point kPlaces[3][3] = {
      {{0, 0}, {}, {}}, {{-10, 0}, {10, 0}, {}}, {{0, -10}, {-10, 7}, {10, 7}}};
  const int size = MixSize(mix), tomatoes = MixTomatoes(mix);
  for (int i = 0; i < size; ++i) {
    const draw::Point at = kPlaces[size - 1][i];
    const Color color = i < tomatoes ? kTomatoSkin : kOnionSkin.Lighter(35);
    const int px = x + at.x * spread / 10, py = y + at.y * spread / 10;
    canvas.Disc(px, py, r, color.Darker(35));
    canvas.Disc(px, py, r * 3 / 4, color);
  }
}

void DrawPlate(Canvas& canvas, int x, int y, int r) {
  canvas.Disc(x, y, r, kRim);
  canvas.Disc(x, y, r * 7 / 8, kChina);
  canvas.Ring(x, y, r * 3 / 5, r / 8, kRim.Lighter(55));
}

void DrawItem(Canvas& canvas, Item item, int x, int y, int r) {
  if (item == kOnion) DrawOnion(canvas, x, y, r * 3 / 4);
  if (item == kTomato) DrawTomato(canvas, x, y, r * 3 / 4);
  if (item == kDish || IsSoup(item)) DrawPlate(canvas, x, y, r);
  if (IsSoup(item)) {
    canvas.Disc(x, y, r * 3 / 4, SoupColor(MixOf(item)));
    DrawPieces(canvas, MixOf(item), x, y, r / 3, r / 4);
  }
}

// the kitchen itself ------------------------------------------------------------------------------

void DrawPot(Canvas& canvas, const Layout& layout, Item content, int tick) {
  canvas.Box(-44, -44, 88, 80, kSteel, 10);
  canvas.Line({-38, -4}, {38, -4}, 12, kIronDark);
  canvas.Disc(0, -6, 34, kIronDark);
  canvas.Disc(0, -6, 31, kIron);
  const int mix = IsSoup(content) ? MixOf(content) : kEmptyMix;
  const bool cooking = mix != kEmptyMix && tick >= 0;
  canvas.Disc(0, -6, 25, cooking ? SoupColor(mix) : mix != kEmptyMix ? kBroth : kIronDark);
  if (mix == kEmptyMix) return;
  DrawPieces(canvas, mix, 0, -6, 12, 10);
  if (!cooking) return;

  // a bar that fills while it cooks, and a green ring when it is ready
  const int total = std::max<int>(layout.cook_steps[mix], 1);
  const bool ready = tick >= total;
  if (ready) canvas.Ring(0, -6, 34, 9, kDone);
  canvas.Box(-42, 32, 84, 16, kIronDark, 8);
  canvas.Box(-38, 35, 76 * std::min(tick, total) / total, 10, ready ? kDone : kHeat);
}

void DrawStation(Canvas& canvas, Terrain terrain) {
  switch (terrain) {
    case kOnions:
    case kTomatoes:
      canvas.Box(-38, -40, 76, 72, kWoodDark, 8);
      canvas.Box(-32, -34, 64, 60, kWoodDark.Darker(25), 6);
      for (const int x : {-15, 15}) {
        for (const int y : {-16, 12}) {
          terrain == kOnions ? DrawOnion(canvas, x, y, 15) : DrawTomato(canvas, x, y, 15);
        }
      }
      return;
    case kDishes:
      for (const int rise : {10, 2, -6}) DrawPlate(canvas, 0, rise, 32);
      return;
    case kServing:
      canvas.Box(-42, -42, 84, 76, {88, 150, 104}, 10);
      canvas.Box(-36, -36, 72, 64, {128, 188, 138}, 8);
      // a bell
      canvas.Disc(0, 2, 23, {250, 210, 90});
      canvas.Tile(-36, 8, 72, 20, {128, 188, 138});
      canvas.Line({-24, 12}, {24, 12}, 8, kInk);
      canvas.Disc(0, -24, 6, kInk);
      return;
    default:
      return;
  }
}

void DrawCook(Canvas& canvas, int number, int facing, Item held) {
  static constexpr draw::Point kAhead[] = {{0, -1}, {0, 1}, {1, 0}, {-1, 0}};
  const auto [dx, dy] = kAhead[facing];
  const Color color = kCooks[number], dark = color.Darker(35);
  canvas.Disc(0, 30, 28, kInk.Faded(25));
  // an arrow on the floor: the facing shows even in small pictures
  canvas.Polygon({{dx * 50, dy * 50 + 4},
                  {dx * 26 + dy * 22, dy * 26 + dx * 22 + 4},
                  {dx * 26 - dy * 22, dy * 26 - dx * 22 + 4}},
                 dark);
  canvas.Box(-28, -4, 56, 44, dark, 20);
  canvas.Box(-25, -2, 50, 38, color, 18);
  if (facing == kSouth) canvas.Box(-13, 8, 26, 26, kChina, 6);
  canvas.Disc(0, -10, 22, kSkin.Darker(25));
  canvas.Disc(0, -10, 20, facing == kNorth ? kHair : kSkin);
  if (facing != kNorth) {
    for (const int side : {-1, 1}) canvas.Disc(dx * 9 + side * (8 - 2 * (dx != 0)), -7, 4, kInk);
  }
  // a hat with a band in the cook's colour
  for (const int x : {-13, 13}) canvas.Disc(x, -36, 11, kChina.Darker(10));
  canvas.Disc(0, -39, 14, kChina);
  canvas.Box(-17, -34, 34, 10, kChina, 3);
  canvas.Box(-19, -27, 38, 9, color, 4);
  if (held == kNothing) return;
  // beside the hat when seen from behind, else in the hands
  if (facing == kNorth) {
    DrawItem(canvas, held, 30, -22, 20);
  } else {
    DrawItem(canvas, held, dx * 30, dy == 0 ? 18 : 26, 22);
  }
}

}  // namespace

void Kitchen::Render(const Params& params, const State& state, int size, std::uint8_t* rgb) {
  const Layout& layout = params.layout;
  Canvas canvas(size, rgb, layout.width * kSide, layout.height * kSide, kInk);
  const auto move_to = [&](int cell) {
    canvas.MoveTo(cell / layout.height * kSide + kSide / 2,
                  cell % layout.height * kSide + kSide / 2);
  };
  for (int cell = 0; cell < layout.num_cells; ++cell) {
    const auto terrain = static_cast<Terrain>(layout.terrain[cell]);
    move_to(cell);
    if (terrain == kFloor) {
      canvas.Tile(-50, -50, 100, 100, kFloors[(cell / layout.height + cell % layout.height) % 2]);
      continue;
    }
    const bool front = (cell + 1) % layout.height != 0 && layout.IsFloor(cell + 1);
    canvas.Tile(-50, -50, 100, 100, kWood);
    canvas.Box(-46, -46, 92, front ? 82 : 92, kWoodLight, 8);
    if (front) canvas.Tile(-50, 38, 100, 12, kWoodDark);
    if (terrain == kPot) {
      DrawPot(canvas, layout, state.object[cell], state.tick[layout.pot_at[cell]]);
    } else {
      DrawStation(canvas, terrain);
      if (state.object[cell] != kNothing) DrawItem(canvas, state.object[cell], 0, -4, 30);
    }
  }
  // from the back to the front: a hat may reach into the cell above
  for (int y = 0; y < layout.height; ++y) {
    for (int player = 0; player < layout.num_players; ++player) {
      if (state.cell[player] % layout.height != y) continue;
      move_to(state.cell[player]);
      DrawCook(canvas, player, state.facing[player], state.held[player]);
    }
  }
}

}  // namespace rollout
