// Pictures of the board games. Player 0 is red or black, player 1 blue, amber or white; where the
// stones do not tell whose turn it is, the frame is in the mover's colour.
#include <bit>

#include "envs/boards/connect_four.h"
#include "envs/boards/go.h"
#include "envs/boards/hex.h"
#include "envs/boards/othello.h"
#include "envs/boards/tic_tac_toe.h"
#include "envs/draw/canvas.h"

namespace rollout::boards {
namespace {

using draw::Canvas;
using draw::Color;
using draw::Point;

constexpr Color kPaper{250, 247, 240}, kInk{44, 44, 56}, kMuted{206, 200, 190};
constexpr Color kRed{222, 84, 76}, kBlue{66, 114, 204}, kAmber{246, 190, 74};
constexpr Color kBlack{34, 34, 42}, kWhite{248, 246, 240};

// a round stone with a little light on it
void DrawStone(Canvas& canvas, int x, int y, int radius, Color color) {
  canvas.Disc(x + radius / 8, y + radius / 6, radius, kInk.Faded(45));
  canvas.Disc(x, y, radius, color.Darker(18));
  canvas.Disc(x, y, radius * 7 / 8, color);
  canvas.Disc(x - radius / 3, y - radius / 3, radius / 4, color.Lighter(35));
}

// black or white
void DrawDiscStone(Canvas& canvas, int x, int y, int radius, int player) {
  DrawStone(canvas, x, y, radius, player == 0 ? kBlack : kWhite);
}

}  // namespace

// tic-tac-toe ------------------------------------------------------------------------------------

void TicTacToe::Render(const Params&, const State& state, int size, std::uint8_t* rgb) {
  constexpr int kCell = 100, kScene = kSide * kCell + 20;
  Canvas canvas(size, rgb, kScene, kScene, kPaper);
  canvas.MoveTo(10, 10);
  for (int i = 1; i < kSide; ++i) {
    canvas.Line({i * kCell, 6}, {i * kCell, kSide * kCell - 6}, 8, kMuted);
    canvas.Line({6, i * kCell}, {kSide * kCell - 6, i * kCell}, 8, kMuted);
  }
  for (int cell = 0; cell < kCells; ++cell) {
    canvas.MoveTo(10 + cell % kSide * kCell + kCell / 2, 10 + cell / kSide * kCell + kCell / 2);
    if ((state.stones[0] >> cell & 1) != 0) {
      canvas.Line({-26, -26}, {26, 26}, 16, kRed);
      canvas.Line({-26, 26}, {26, -26}, 16, kRed);
    }
    if ((state.stones[1] >> cell & 1) != 0) canvas.Ring(0, 0, 28, 16, kBlue);
  }
}

// connect four -----------------------------------------------------------------------------------

void ConnectFour::Render(const Params&, const State& state, int size, std::uint8_t* rgb) {
  constexpr int kCell = 100, kWidth = kColumns * kCell, kHeight = kRows * kCell, kFeet = 46;
  Canvas canvas(size, rgb, kWidth + 40, kWidth + 40, kPaper);
  canvas.MoveTo(20, 40);
  for (const int x : {0, kWidth - 60}) {
    canvas.Box(x, kHeight - 20, 60, kFeet + 40, kBlue.Darker(45), 14);
  }
  canvas.Box(-14, -14, kWidth + 28, kHeight + 28, kBlue.Darker(25), 40);
  canvas.Box(-14, -14, kWidth + 28, kHeight + 16, kBlue, 40);
  for (int row = 0; row < kRows; ++row) {
    for (int column = 0; column < kColumns; ++column) {
      const int bit = kStride * row + column;
      const int x = column * kCell + kCell / 2, y = row * kCell + kCell / 2;
      canvas.Disc(x, y, 40, kBlue.Darker(40));
      canvas.Disc(x, y + 4, 36, kPaper);
      for (int player = 0; player < 2; ++player) {
        if ((state.stones[player] >> bit & 1) == 0) continue;
        const Color color = player == 0 ? kRed : kAmber;
        canvas.Disc(x, y, 38, color.Darker(22));
        canvas.Disc(x, y, 26, color);
      }
    }
  }
}

// othello ----------------------------------------------------------------------------------------

void Othello::Render(const Params&, const State& state, int size, std::uint8_t* rgb) {
  constexpr int kCell = 100, kFrame = 40, kBoard = kSide * kCell, kScene = kBoard + 2 * kFrame;
  constexpr Color kFelt{58, 140, 92}, kLine{36, 98, 64}, kHint{86, 172, 118};
  Canvas canvas(size, rgb, kScene, kScene, state.to_play == 0 ? kBlack : kWhite);
  canvas.MoveTo(kFrame, kFrame);
  canvas.Tile(0, 0, kBoard, kBoard, kFelt);
  for (int i = 0; i <= kSide; ++i) {
    canvas.Line({i * kCell, 0}, {i * kCell, kBoard}, 5, kLine);
    canvas.Line({0, i * kCell}, {kBoard, i * kCell}, 5, kLine);
  }
  for (int cell = 0; cell < kCells; ++cell) {
    const int x = cell % kSide * kCell + kCell / 2, y = cell / kSide * kCell + kCell / 2;
    const auto has = [cell](std::uint64_t cells) { return (cells >> cell & 1) != 0; };
    for (int player = 0; player < 2; ++player) {
      if (has(state.stones[player])) DrawDiscStone(canvas, x, y, 42, player);
    }
    if (!state.over && has(state.legal)) canvas.Disc(x, y, 14, kHint);
  }
}

// go ---------------------------------------------------------------------------------------------

namespace {

template <class State>
void DrawGo(const GoParams& params, const State& state, int size, std::uint8_t* rgb) {
  constexpr int kCell = 100, kFrame = 24;
  constexpr Color kWood{222, 178, 112}, kLine{132, 94, 48};
  const int board = params.size * kCell, scene = board + 2 * kFrame;
  Canvas canvas(size, rgb, scene, scene, state.to_play == 0 ? kBlack : kWhite);
  canvas.MoveTo(kFrame, kFrame);
  canvas.Tile(0, 0, board, board, kWood);
  const int first = kCell / 2, last = board - kCell / 2;
  for (int i = 0; i < params.size; ++i) {
    const int at = first + i * kCell;
    canvas.Line({at, first}, {at, last}, 6, kLine);
    canvas.Line({first, at}, {last, at}, 6, kLine);
  }
  // nine stars on large boards, five on small ones, as they are printed
  const int edge = params.size > 12 ? 3 : 2, middle = params.size / 2;
  if (params.size >= 7 && params.size % 2 == 1) {
    for (const int row : {edge, middle, params.size - 1 - edge}) {
      for (const int column : {edge, middle, params.size - 1 - edge}) {
        if (params.size <= 12 && (row == middle) != (column == middle)) continue;
        canvas.Disc(first + column * kCell, first + row * kCell, 14, kLine);
      }
    }
  }
  for (int point = 0; point < params.points(); ++point) {
    const int x = first + point % params.size * kCell, y = first + point / params.size * kCell;
    const int color = state.color[point];
    if (color != 0) DrawDiscStone(canvas, x, y, 46, color - 1);
    if (point == state.ko) canvas.Box(x - 24, y - 24, 48, 48, kRed, 8);
  }
}

}  // namespace

template <int kMaxSide>
void Go<kMaxSide>::Render(const Params& params, const State& state, int size, std::uint8_t* rgb) {
  DrawGo(params, state, size, rgb);
}

// hex --------------------------------------------------------------------------------------------

namespace {

template <class State>
void DrawHex(const HexParams& params, const State& state, int size, std::uint8_t* rgb) {
  // cells stand on a corner: half as wide as kWide to either side, kTall to the corners
  constexpr int kWide = 50, kTall = 58, kShort = kTall / 2, kRow = kTall + kShort;
  constexpr int kMargin = 70, kBand = 26;
  const int n = params.size;
  const int width = (3 * n - 1) * kWide + 2 * kMargin;
  const int height = (n - 1) * kRow + 2 * kTall + 2 * kMargin;
  Canvas canvas(size, rgb, width, height, kPaper);
  const auto move_to = [&](int row, int column) {
    canvas.MoveTo(kMargin + kWide + 2 * kWide * column + kWide * row, kMargin + kTall + kRow * row);
  };
  // the sides first, so that the cells lie on them
  for (int i = 0; i < n; ++i) {
    move_to(i, 0);
    canvas.Line({-kWide, -kShort}, {-kWide, kShort}, 2 * kBand, kBlue);
    canvas.Line({-kWide, kShort}, {0, kTall}, 2 * kBand, kBlue);
    move_to(i, n - 1);
    canvas.Line({kWide, kShort}, {kWide, -kShort}, 2 * kBand, kBlue);
    canvas.Line({kWide, -kShort}, {0, -kTall}, 2 * kBand, kBlue);
  }
  for (int i = 0; i < n; ++i) {
    move_to(0, i);
    canvas.Line({-kWide, -kShort}, {0, -kTall}, 2 * kBand, kRed);
    if (i + 1 < n) canvas.Line({0, -kTall}, {kWide, -kShort}, 2 * kBand, kRed);
    move_to(n - 1, i);
    if (i > 0) canvas.Line({-kWide, kShort}, {0, kTall}, 2 * kBand, kRed);
    canvas.Line({0, kTall}, {kWide, kShort}, 2 * kBand, kRed);
  }
  const auto hexagon = [&canvas](int percent, Color color) {
    const int w = kWide * percent / 100, s = kShort * percent / 100, t = kTall * percent / 100;
    canvas.Polygon({{0, -t}, {w, -s}, {w, s}, {0, t}, {-w, s}, {-w, -s}}, color);
  };
  for (int cell = 0; cell < params.cells(); ++cell) {
    move_to(cell / n, cell % n);
    hexagon(104, kMuted.Darker(12));
    hexagon(88, kPaper);
    if (state.color[cell] != 0) hexagon(88, state.color[cell] == 1 ? kRed : kBlue);
  }
}

}  // namespace

template <int kMaxSide>
void Hex<kMaxSide>::Render(const Params& params, const State& state, int size, std::uint8_t* rgb) {
  DrawHex(params, state, size, rgb);
}

template struct Go<9>;
template struct Go<19>;
template struct Hex<11>;
template struct Hex<19>;

}  // namespace rollout::boards
