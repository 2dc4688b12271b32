// Pictures of MinAtar's games. A cell is 100 units; what moves is drawn so that its direction
// shows.
#include "envs/draw/canvas.h"
#include "envs/minatar/asterix.h"
#include "envs/minatar/breakout.h"
#include "envs/minatar/freeway.h"
#include "envs/minatar/seaquest.h"
#include "envs/minatar/space_invaders.h"

namespace rollout::minatar {
namespace {

using draw::Canvas;
using draw::Color;

constexpr int kCell = 100, kSide = kSize * kCell;

constexpr Color kWhite{250, 250, 246}, kInk{26, 26, 36};
constexpr Color kRed{236, 88, 84}, kAmber{246, 180, 74}, kGreen{104, 200, 132};
constexpr Color kTeal{72, 190, 190}, kBlue{92, 142, 238};
constexpr Color kNight{20, 22, 40};

// The middle of a cell becomes the origin.
void MoveToCell(Canvas& canvas, int row, int col) {
  canvas.MoveTo(col * kCell + kCell / 2, row * kCell + kCell / 2);
}

// Every row painted alike but for its shade.
void Rows(Canvas& canvas, int first, int last, Color top, Color bottom) {
  canvas.MoveTo(0, 0);
  for (int row = first; row <= last; ++row) {
    const Color color = top.Mixed(bottom, 100 * (row - first) / std::max(last - first, 1));
    canvas.Tile(0, row * kCell, kSide, kCell, color);
  }
}

}  // namespace

// breakout ---------------------------------------------------------------------------------------

void Breakout::Draw(const World& world, int size, std::uint8_t* rgb) {
  Canvas canvas(size, rgb, kSide, kSide, kNight);
  constexpr Color kRows[kBrickRows] = {kRed, kAmber, kTeal};
  for (int place = 0; place < kBrickRows * kSize; ++place) {
    if ((world.bricks >> place & 1) == 0) continue;
    const int row = place / kSize;
    MoveToCell(canvas, row + kFirstBrickRow, place % kSize);
    canvas.Box(-45, -42, 90, 84, kRows[row], 16);
    canvas.Box(-36, -34, 72, 16, kRows[row].Lighter(35), 8);
  }
  canvas.MoveTo(0, 0);
  const auto middle = [](int row, int col) {
    return draw::Point{col * kCell + kCell / 2, row * kCell + kCell / 2};
  };
  const draw::Point ball = middle(world.row, world.col);
  canvas.Line(middle(world.trail_row, world.trail_col), ball, 36, kWhite.Faded(30));
  MoveToCell(canvas, kSize - 1, world.paddle);
  canvas.Box(-50, -26, 100, 52, kBlue, 26);
  canvas.Box(-36, -18, 72, 14, kBlue.Lighter(50), 7);
  canvas.MoveTo(0, 0);
  canvas.Disc(ball.x, ball.y, 36, kWhite);
}

// freeway ----------------------------------------------------------------------------------------

void Freeway::Draw(const World& world, int size, std::uint8_t* rgb) {
  constexpr Color kGrass{112, 164, 96}, kRoad{66, 68, 80}, kLine{220, 214, 196};
  constexpr Color kSpeeds[kSlowest] = {kRed, kAmber, kGreen, kTeal, kBlue};  // the fastest first
  Canvas canvas(size, rgb, kSide, kSide, kGrass);
  canvas.Tile(0, kCell, kSide, kLanes * kCell, kRoad);
  for (int lane = 1; lane < kLanes; ++lane) {
    for (int col = 0; col < kSize; ++col) {
      canvas.Box(col * kCell + 30, (lane + 1) * kCell - 4, 40, 8, kLine.Faded(45));
    }
  }
  canvas.Tile(0, kCell - 8, kSide, 16, kLine);
  canvas.Tile(0, (kLanes + 1) * kCell - 8, kSide, 16, kLine);

  for (int lane = 0; lane < kLanes; ++lane) {
    const int ahead = Direction(world, lane);
    const Color color = kSpeeds[world.rest[lane] - 1];
    MoveToCell(canvas, lane + 1, Wrap(world.col[lane] - ahead));
    for (const int y : {-18, 0, 18}) {
      canvas.Line({-ahead * 10, y}, {ahead * 40, y}, 8, color.Faded(45));
    }
    MoveToCell(canvas, lane + 1, world.col[lane]);
    canvas.Box(-44, -34, 88, 68, kInk.Faded(60), 16);
    canvas.Box(-46, -30, 92, 60, color, 20);
    canvas.Box(ahead > 0 ? 2 : -26, -22, 24, 44, kInk, 8);  // the windscreen
    canvas.Box(ahead > 0 ? -34 : 18, -20, 16, 40, color.Darker(35), 6);
    for (const int y : {-20, 20}) canvas.Disc(ahead * 40, y, 7, kWhite);
  }

  MoveToCell(canvas, world.row, kChickenCol);
  canvas.Disc(0, 4, 38, kInk.Faded(50));
  canvas.Polygon({{-12, -30}, {12, -30}, {0, -50}}, kAmber);
  canvas.Disc(0, 6, 36, kWhite);
  canvas.Disc(0, -18, 20, kWhite);
  canvas.Disc(0, -14, 9, kRed);
  for (const int side : {-1, 1})
    canvas.Line({side * 26, 0}, {side * 28, 22}, 12, kWhite.Darker(14));
}

// asterix ----------------------------------------------------------------------------------------

void Asterix::Draw(const World& world, int size, std::uint8_t* rgb) {
  constexpr Color kEven{44, 52, 70}, kOdd{38, 45, 62};
  Canvas canvas(size, rgb, kSide, kSide, kNight);
  for (int row = 1; row <= kSlots; ++row) {
    canvas.Tile(0, row * kCell, kSide, kCell, row % 2 == 0 ? kEven : kOdd);
  }
  for (unsigned left = world.present; left != 0; left &= left - 1) {
    const int slot = std::countr_zero(left);
    const int ahead = (world.rightward >> slot & 1) != 0 ? 1 : -1;
    const bool gold = (world.gold >> slot & 1) != 0;
    MoveToCell(canvas, slot + 1, world.col[slot]);
    const Color color = gold ? kAmber : kRed;
    for (const int y : {-16, 0, 16}) {
      canvas.Line({-ahead * (y == 0 ? 110 : 90), y}, {-ahead * 40, y}, 9, color.Faded(45));
    }
    if (gold) {
      canvas.Disc(0, 0, 40, color.Darker(30));
      canvas.Disc(0, 0, 34, color);
      canvas.Polygon({{0, -20}, {14, 0}, {0, 20}, {-14, 0}}, color.Lighter(55));
    } else {
      // a head with a spike ahead and angry eyes
      canvas.Polygon({{ahead * 4, -38}, {ahead * 48, 0}, {ahead * 4, 38}}, color.Darker(25));
      canvas.Disc(-ahead * 6, 0, 38, color);
      for (const int y : {-14, 14}) {
        canvas.Disc(ahead * 6, y, 11, kWhite);
        canvas.Disc(ahead * 10, y, 6, kInk);
      }
    }
  }
  MoveToCell(canvas, world.row, world.player_col);
  canvas.Disc(0, 0, 44, kWhite.Faded(35));
  canvas.Box(-26, 0, 52, 42, kBlue, 18);
  canvas.Disc(0, -8, 27, {245, 209, 176});
  canvas.Box(-28, -36, 56, 24, kAmber.Lighter(30), 12);
  for (const int side : {-1, 1}) {
    canvas.Polygon({{side * 18, -28}, {side * 36, -46}, {side * 30, -20}}, kWhite);
    canvas.Disc(side * 10, -4, 5, kInk);
  }
}

// space invaders ---------------------------------------------------------------------------------

void SpaceInvaders::Draw(const World& world, int size, std::uint8_t* rgb) {
  Canvas canvas(size, rgb, kSide, kSide, kNight);
  canvas.Tile(0, kSide - 14, kSide, 14, kGreen.Darker(45));
  const int look = world.rightward ? 1 : -1;
  for (int cell = 0; cell < kSize * kSize; ++cell) {
    const auto has = [cell](Cells cells) { return (cells >> cell & 1) != 0; };
    MoveToCell(canvas, cell / kSize, cell % kSize);
    if (has(world.aliens)) {
      for (const int side : {-1, 0, 1}) {
        canvas.Line({side * 22, 16}, {side * 24 - look * 8, 38}, 13, kGreen.Darker(15));
      }
      for (const int side : {-1, 1}) {
        canvas.Line({side * 14, -24}, {side * 24 - look * 6, -40}, 9, kGreen);
      }
      canvas.Box(-38, -30, 76, 56, kGreen, 24);
      for (const int side : {-1, 1}) {
        canvas.Disc(side * 15 + look * 7, -4, 11, kWhite);
        canvas.Disc(side * 15 + look * 12, -4, 6, kInk);
      }
    }
    if (has(world.friendly)) {
      canvas.Line({0, -26}, {0, 30}, 26, kTeal.Faded(35));
      canvas.Line({0, -26}, {0, 26}, 13, kTeal.Lighter(55));
    }
    if (has(world.enemy)) {
      canvas.Line({0, -30}, {0, 20}, 12, kRed.Faded(70));
      canvas.Disc(0, 18, 17, kRed);
      canvas.Disc(0, 20, 8, kAmber);
    }
  }
  MoveToCell(canvas, kSize - 1, world.cannon);
  canvas.Box(-10, -44, 20, 40, kBlue.Lighter(30), 8);
  canvas.Box(-30, -16, 60, 30, kBlue, 12);
  canvas.Box(-46, 6, 92, 36, kBlue, 14);
}

// seaquest ---------------------------------------------------------------------------------------

namespace {

using Thing = Seaquest::Thing;

void DrawWake(Canvas& canvas, int ahead, Color color) {
  for (const int y : {-14, 14}) {
    canvas.Line({-ahead * 96, y}, {-ahead * 56, y}, 7, color.Faded(30));
  }
}

void DrawFish(Canvas& canvas, int ahead) {
  constexpr Color kFish{250, 140, 110};
  DrawWake(canvas, ahead, kWhite);
  canvas.Polygon({{-ahead * 14, 0}, {-ahead * 46, -28}, {-ahead * 46, 28}}, kFish.Darker(18));
  canvas.Box(-34 + ahead * 8, -25, 68, 50, kFish, 25);
  canvas.Polygon({{ahead * 0, -24}, {-ahead * 18, -24}, {-ahead * 14, -38}}, kFish.Darker(18));
  canvas.Disc(ahead * 24, -6, 9, kWhite);
  canvas.Disc(ahead * 26, -6, 5, kInk);
}

void DrawEnemySub(Canvas& canvas, int ahead) {
  constexpr Color kHull{206, 92, 122};
  DrawWake(canvas, ahead, kWhite);
  canvas.Box(-16 - ahead * 6, -38, 32, 34, kHull.Darker(15), 8);
  canvas.Box(-47, -18, 94, 48, kHull, 24);
  canvas.Box(-34, -12, 68, 10, kHull.Lighter(25), 5);
  canvas.Disc(ahead * 26, 6, 10, kRed);
  canvas.Line({-ahead * 46, -12}, {-ahead * 46, 24}, 10, kHull.Darker(40));
}

void DrawDiver(Canvas& canvas, int ahead) {
  constexpr Color kSuit{40, 44, 60}, kSkin{245, 209, 176};
  DrawWake(canvas, ahead, kWhite);
  canvas.Line({-ahead * 20, 6}, {-ahead * 44, 16}, 11, kAmber);
  canvas.Line({-ahead * 20, 2}, {-ahead * 44, -4}, 11, kAmber);
  canvas.Line({-ahead * 20, 4}, {ahead * 8, 0}, 32, kSuit);
  canvas.Box(-22 - ahead * 6, -26, 36, 16, kGreen, 8);  // the bottle
  canvas.Disc(ahead * 24, -2, 20, kSkin);
  canvas.Box(ahead > 0 ? 24 : -42, -12, 18, 16, kTeal, 6);  // the mask
}

void DrawOwnSub(Canvas& canvas, int ahead) {
  // from the back cell to the tip of the front one
  canvas.Line({-ahead * 122, -22}, {-ahead * 122, 26}, 12, kAmber.Darker(45));
  canvas.Box(ahead > 0 ? -60 : 10, -44, 50, 44, kAmber.Darker(12), 12);
  canvas.Line({-ahead * 28, -44}, {-ahead * 10, -44}, 9, kAmber.Darker(30));
  canvas.Box(ahead > 0 ? -118 : -48, -26, 166, 62, kAmber, 31);
  canvas.Box(ahead > 0 ? -96 : -24, -18, 120, 12, kAmber.Lighter(45), 6);
  canvas.Disc(ahead * 18, 8, 16, kWhite);
  canvas.Disc(ahead * 18, 8, 11, kBlue);
  for (const int x : {-30, -70}) canvas.Disc(ahead * x, 8, 10, kBlue.Darker(20));
}

}  // namespace

void Seaquest::Draw(const World& world, int size, std::uint8_t* rgb) {
  constexpr Color kSky{182, 216, 238}, kShallow{50, 126, 186}, kDeep{16, 46, 92};
  constexpr Color kPanel{14, 16, 30};
  Canvas canvas(size, rgb, kSide, kSide, kPanel);
  canvas.Tile(0, 0, kSide, kCell, kSky);
  Rows(canvas, 1, kDeepest, kShallow, kDeep);
  canvas.Tile(0, kCell - 10, kSide, 16, kWhite.Faded(80));

  const auto all = [&canvas](const auto& things, auto&& one) {
    for (const Thing& thing : things) {
      MoveToCell(canvas, thing.row, thing.col);
      one(thing.rightward ? 1 : -1);
    }
  };
  all(world.divers, [&](int ahead) { DrawDiver(canvas, ahead); });
  all(world.fish, [&](int ahead) { DrawFish(canvas, ahead); });
  all(world.subs, [&](int ahead) { DrawEnemySub(canvas, ahead); });
  MoveToCell(canvas, world.row, world.col);
  DrawOwnSub(canvas, world.rightward ? 1 : -1);
  all(world.bullets, [&](int) { canvas.Line({-26, 0}, {26, 0}, 18, kWhite); });
  all(world.enemy_bullets, [&](int ahead) {
    canvas.Line({-ahead * 30, 0}, {ahead * 20, 0}, 12, kRed.Lighter(20));
    canvas.Disc(ahead * 18, 0, 15, kRed);
  });

  // oxygen, and a place for each diver on board
  canvas.MoveTo(0, (kSize - 1) * kCell);
  const int oxygen = std::max<int>(world.oxygen, 0);
  const Color air = oxygen * 4 > kFullOxygen ? kTeal : kRed;
  canvas.Box(20, 12, 960, 34, air.Darker(70), 17);
  canvas.Box(20, 12, 960 * oxygen / kFullOxygen, 34, air, 17);
  for (int i = 0; i < kFullLoad; ++i) {
    canvas.Disc(230 + i * 108, 74, 20, i < world.load ? kAmber : kAmber.Darker(78));
  }
}

}  // namespace rollout::minatar
