// Pictures of toy text. A cell is 100 units.
#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>

#include "envs/draw/canvas.h"
#include "envs/draw/glyphs.h"
#include "envs/toy/blackjack.h"
#include "envs/toy/tabular.h"
#include "envs/toy/taxi.h"

namespace rollout {
namespace {

using draw::Canvas;
using draw::Color;

constexpr int kCell = 100;
constexpr Color kInk{44, 46, 60}, kWhite{250, 250, 246};
constexpr Color kRed{222, 84, 76}, kGreen{86, 172, 108}, kAmber{246, 190, 74};
constexpr Color kBlue{66, 114, 204}, kSkin{245, 209, 176};

void MoveToCell(Canvas& canvas, std::int64_t cell, std::int64_t columns) {
  canvas.MoveTo(static_cast<int>(cell % columns) * kCell + kCell / 2,
                static_cast<int>(cell / columns) * kCell + kCell / 2);
}

// somebody in a coat and a hat, so large a part of a cell
void DrawWalker(Canvas& canvas, Color coat, int percent = 100) {
  const auto at = [percent](int units) { return units * percent / 100; };
  const auto box = [&](int x, int y, int width, int height, Color color, int round) {
    canvas.Box(at(x), at(y), at(width), at(height), color, at(round));
  };
  canvas.Disc(0, at(34), at(24), kInk.Faded(35));
  box(-22, -4, 44, 44, kInk, 20);
  box(-18, 0, 36, 36, coat, 16);
  canvas.Disc(0, at(-14), at(22), kInk);
  canvas.Disc(0, at(-14), at(18), kSkin);
  box(-22, -36, 44, 20, coat.Darker(15), 9);
  for (const int side : {-1, 1}) canvas.Disc(at(side * 7), at(-10), at(3), kInk);
}

void DrawFlag(Canvas& canvas) {
  canvas.Line({-16, 36}, {-16, -34}, 8, kInk);
  canvas.Polygon({{-14, -36}, {34, -20}, {-14, -4}}, kAmber);
}

}  // namespace

// frozen lake and cliff walking ------------------------------------------------------------------

void Tabular::Render(const Params& params, const State& state, int size, std::uint8_t* rgb) {
  constexpr Color kIce{206, 230, 244}, kGrass{138, 186, 112}, kWater{34, 74, 122};
  constexpr Color kRock{122, 92, 74}, kVoid{36, 34, 44};
  const int rows = static_cast<int>(params.map.size());
  const int columns = static_cast<int>(params.map[0].size());
  const Color ground = params.scenery == Scenery::kIce ? kIce : kGrass;
  Canvas canvas(size, rgb, columns * kCell, rows * kCell, ground.Darker(55));
  for (int row = 0; row < rows; ++row) {
    for (int column = 0; column < columns; ++column) {
      MoveToCell(canvas, row * columns + column, columns);
      const char c = params.map[static_cast<std::size_t>(row)][static_cast<std::size_t>(column)];
      canvas.Tile(-50, -50, kCell, kCell, ground.Darker(12));
      canvas.Box(-47, -47, 94, 94, ground, 6);
      if (c == 'S') canvas.Ring(0, 0, 30, 8, ground.Darker(35));
      if (c == 'G') DrawFlag(canvas);
      if (c == 'H') {
        canvas.Disc(0, 0, 40, kIce.Lighter(60));
        canvas.Disc(0, 2, 35, kWater);
        canvas.Line({-14, 6}, {14, 6}, 6, kWater.Lighter(35));
      }
      if (c == 'C') {
        canvas.Tile(-50, -50, kCell, kCell, kVoid);
        canvas.Tile(-50, -50, kCell, 16, kGrass.Darker(35));
        canvas.Polygon({{-50, -36}, {-12, -36}, {-30, 34}}, kRock);
        canvas.Polygon({{-14, -36}, {50, -36}, {20, 12}}, kRock.Darker(25));
      }
    }
  }
  MoveToCell(canvas, state.s, columns);
  const char under = params.map[static_cast<std::size_t>(state.s / columns)]
                               [static_cast<std::size_t>(state.s % columns)];
  // on a large map somebody of a cell's size would be hard to see
  DrawWalker(canvas, under == 'H' ? kBlue : kRed, std::max(rows, columns) > 8 ? 140 : 110);
}

// taxi -------------------------------------------------------------------------------------------

void Taxi::Render(const Params&, const State& state, int size, std::uint8_t* rgb) {
  constexpr Color kRoad{92, 96, 108}, kSeam{106, 110, 122}, kWall{232, 228, 218};
  constexpr Color kStops[Taxi::kStops] = {kRed, kGreen, {250, 226, 92}, kBlue};
  constexpr int kSide = static_cast<int>(kSize), kScene = kSide * kCell + 20;
  Canvas canvas(size, rgb, kScene, kScene, kWall);
  const auto move_to = [&canvas](std::int64_t cell) {
    canvas.MoveTo(10 + static_cast<int>(cell % kSize) * kCell + kCell / 2,
                  10 + static_cast<int>(cell / kSize) * kCell + kCell / 2);
  };
  const Place place = Decode(state.s);
  for (std::int64_t cell = 0; cell < kSize * kSize; ++cell) {
    move_to(cell);
    canvas.Tile(-50, -50, kCell, kCell, kSeam);
    canvas.Box(-48, -48, 96, 96, kRoad);
  }
  for (std::int64_t stop = 0; stop < Taxi::kStops; ++stop) {
    move_to(kStop[stop]);
    canvas.Box(-44, -44, 88, 88, kStops[stop].Darker(30), 12);
    canvas.Box(-38, -38, 76, 76, kStops[stop].Faded(80), 8);
    if (stop == place.destination) {
      canvas.Box(-44, -44, 88, 88, kInk, 12);
      canvas.Box(-36, -36, 72, 72, kStops[stop], 8);
      canvas.Line({-20, 26}, {-20, -28}, 9, kInk);
      canvas.Polygon({{-18, -30}, {32, -14}, {-18, 2}}, kWhite);
    }
    if (stop == place.passenger) DrawWalker(canvas, kWhite);
  }
  for (std::int64_t cell = 0; cell < kSize * kSize; ++cell) {
    constexpr int kEast = 2;
    if (cell % kSize == kSize - 1 || Open(cell, kEast)) continue;
    move_to(cell);
    canvas.Line({50, -44}, {50, 44}, 14, kWall);
  }

  // seen from above, with whoever rides in it
  move_to(place.cell);
  constexpr Color kCab{252, 200, 40};
  for (const int x : {-26, 26}) {
    for (const int y : {-30, 30}) canvas.Box(x - 10, y - 6, 20, 12, kInk, 4);
  }
  canvas.Box(-42, -30, 84, 60, kInk, 18);
  canvas.Box(-38, -26, 76, 52, kCab, 14);
  canvas.Box(-22, -20, 44, 40, kInk.Lighter(25), 8);
  if (place.passenger == kInTaxi) {
    canvas.Disc(0, 0, 20, kInk);
    canvas.Disc(0, 0, 17, kSkin);
    canvas.Box(-16, -16, 32, 14, kBlue, 7);
  } else {
    canvas.Box(-12, -10, 24, 20, kWhite, 4);
  }
}

// blackjack --------------------------------------------------------------------------------------

namespace {

void WriteNumber(Canvas& canvas, std::int64_t number, int x, int y, int height, int stroke,
                 Color color) {
  char text[8];
  const char* const end = std::to_chars(text, text + sizeof text, number).ptr;
  draw::Write(canvas, {text, static_cast<std::size_t>(end - text)}, x, y, height, stroke, color);
}

void DrawCard(Canvas& canvas, int x, int y, bool open) {
  constexpr int kWide = 130, kTall = 180;
  canvas.Box(x - kWide / 2 - 5, y - kTall / 2 - 5, kWide + 10, kTall + 10, kInk, 20);
  canvas.Box(x - kWide / 2, y - kTall / 2, kWide, kTall, kWhite, 16);
  if (!open) canvas.Box(x - kWide / 2 + 14, y - kTall / 2 + 14, kWide - 28, kTall - 28, kRed, 10);
}

}  // namespace

// Above the dealer's cards, one of them open; below the player's, as many as there are, and their
// sum on the last. A usable ace has a badge.
void Blackjack::Render(const Params&, const State& state, int size, std::uint8_t* rgb) {
  constexpr int kScene = 480, kUpper = 116, kLower = 346;
  constexpr Color kFelt{42, 116, 84};
  Canvas canvas(size, rgb, kScene, kScene, kFelt.Darker(35));
  canvas.Box(8, 8, kScene - 16, kScene - 16, kFelt, 40);
  DrawCard(canvas, 310, kUpper, false);
  DrawCard(canvas, 160, kUpper, true);
  if (state.shown == 1) {
    draw::Write(canvas, "A", 160, kUpper, 110, 20, kRed);
  } else {
    WriteNumber(canvas, state.shown, 160, kUpper, state.shown < 10 ? 110 : 64, 16, kInk);
  }

  // a fan as wide as the table, however many cards there are
  const int count = std::max(state.player.cards, 2);
  const int step = std::min(72, 250 / (count - 1)), first = kScene / 2 - step * (count - 1) / 2;
  for (int i = 0; i < count; ++i) DrawCard(canvas, first + step * i, kLower, i + 1 == count);
  const int last = first + step * (count - 1);
  const bool bust = state.player.sum() > kMost;
  WriteNumber(canvas, state.player.sum(), last, kLower, 64, 16, bust ? kRed : kInk);
  if (state.player.usable_ace()) {
    canvas.Disc(last + 60, kLower - 90, 46, kInk);
    canvas.Disc(last + 60, kLower - 90, 40, kAmber);
    draw::Write(canvas, "A", last + 60, kLower - 90, 44, 12, kInk);
  }
}

}  // namespace rollout
