// Pictures of grid worlds, seen from above. A cell is 100 units; what the agent sees is brighter.
#include "envs/draw/canvas.h"
#include "envs/grid/minigrid.h"

namespace rollout::grid {
namespace {

using draw::Canvas;
using Paint = draw::Color;

constexpr int kSide = 100;

constexpr Paint kGround{34, 36, 48}, kSeam{52, 55, 70}, kStone{122, 126, 140}, kInk{22, 22, 30};
constexpr Paint kWhite{250, 250, 246}, kEmber{250, 196, 92};
// by grid::Color
constexpr Paint kPaints[kNumColors] = {{230, 84, 80},   {92, 196, 120}, {88, 144, 240},
                                       {172, 118, 228}, {246, 204, 84}, {158, 162, 174}};

void DrawKey(Canvas& canvas, int x, int y, int scale, Paint paint) {
  const auto at = [scale](int units) { return units * scale / 100; };
  canvas.Line({x, y - at(6)}, {x, y + at(36)}, at(13), paint);
  for (const int tooth : {18, 34}) {
    canvas.Line({x, y + at(tooth)}, {x + at(16), y + at(tooth)}, at(11), paint);
  }
  canvas.Ring(x, y - at(20), at(15), at(12), paint);
}

void DrawThing(Canvas& canvas, Kind kind, Paint paint, int x, int y, int scale) {
  const auto at = [scale](int units) { return units * scale / 100; };
  if (kind == kKey) DrawKey(canvas, x, y, scale, paint);
  if (kind == kBall) {
    canvas.Disc(x, y, at(32), paint.Darker(30));
    canvas.Disc(x, y, at(28), paint);
    canvas.Disc(x - at(9), y - at(9), at(8), paint.Lighter(60));
  }
  if (kind == kBox) {
    canvas.Box(x - at(34), y - at(34), at(68), at(68), paint.Darker(30), at(8));
    canvas.Box(x - at(28), y - at(28), at(56), at(56), paint, at(4));
    canvas.Box(x - at(28), y - at(6), at(56), at(12), paint.Darker(40));
  }
}

void DrawDoor(Canvas& canvas, Kind kind, Paint paint) {
  if (kind == kOpenDoor) {
    canvas.Box(-48, -48, 96, 96, paint.Faded(22), 6);
    canvas.Box(-48, -48, 20, 96, paint, 6);
    return;
  }
  canvas.Box(-48, -48, 96, 96, paint, 8);
  canvas.Box(-36, -36, 72, 72, kind == kLockedDoor ? paint.Darker(62) : paint.Darker(28), 4);
  if (kind == kLockedDoor) {
    canvas.Disc(0, -8, 14, paint.Lighter(40));
    canvas.Line({0, -4}, {0, 20}, 12, paint.Lighter(40));
  } else {
    canvas.Disc(22, 0, 9, paint.Lighter(55));
  }
}

void DrawCell(Canvas& canvas, Cell cell) {
  const Kind kind = KindOf(cell);
  const Paint paint = kPaints[ColorOf(cell)];
  if (kind == kWall) {
    canvas.Tile(-50, -50, 100, 100, kStone.Darker(25));
    canvas.Box(-46, -46, 92, 84, kStone, 10);
    return;
  }
  canvas.Tile(-50, -50, 100, 100, kSeam);
  canvas.Box(-47, -47, 94, 94, kGround);
  if (kind == kFloorTile) canvas.Box(-47, -47, 94, 94, paint.Darker(45));
  if (kind == kGoal) {
    canvas.Box(-47, -47, 94, 94, paint.Darker(20));
    canvas.Ring(0, 0, 26, 12, kWhite);
    canvas.Disc(0, 0, 10, kWhite);
  }
  if (kind == kLava) {
    canvas.Tile(-50, -50, 100, 100, {232, 96, 44});
    for (const int y : {-22, 4, 30}) {
      canvas.Line({-34, y}, {-12, y - 10}, 9, kEmber);
      canvas.Line({-12, y - 10}, {12, y}, 9, kEmber);
      canvas.Line({12, y}, {34, y - 10}, 9, kEmber);
    }
  }
  if (IsDoor(kind)) DrawDoor(canvas, kind, paint);
  DrawThing(canvas, kind, paint, 0, 0, 100);
}

void DrawAgent(Canvas& canvas, const Agent& agent) {
  const int dx = kStepX[agent.direction], dy = kStepY[agent.direction];
  const auto triangle = [&](int tip, int wide, Paint paint) {
    canvas.Polygon({{dx * tip, dy * tip},
                    {-dx * wide - dy * wide, -dy * wide + dx * wide},
                    {-dx * wide + dy * wide, -dy * wide - dx * wide}},
                   paint);
  };
  triangle(47, 40, kInk);
  triangle(40, 32, kWhite);
  if (agent.carrying != kNoCell) {
    DrawThing(canvas, KindOf(agent.carrying), kPaints[ColorOf(agent.carrying)], -dx * 14, -dy * 14,
              62);
  }
}

}  // namespace

void Draw(const World& world, const Agent& agent, const std::uint8_t* view, int size,
          std::uint8_t* rgb) {
  Canvas canvas(size, rgb, world.width * kSide, world.height * kSide, kInk);
  const auto move_to = [&canvas](int x, int y) {
    canvas.MoveTo(x * kSide + kSide / 2, y * kSide + kSide / 2);
  };
  for (int y = 0; y < world.height; ++y) {
    for (int x = 0; x < world.width; ++x) {
      move_to(x, y);
      DrawCell(canvas, world.At(x, y));
    }
  }
  const int ahead = agent.direction, across = (ahead + 1) & 3;
  for (int i = 0; i < kViewSide; ++i) {
    for (int j = 0; j < kViewSide; ++j) {
      const int right = i - kViewMiddle, forward = kViewSide - 1 - j;
      const int x = agent.x + right * kStepX[across] + forward * kStepX[ahead];
      const int y = agent.y + right * kStepY[across] + forward * kStepY[ahead];
      if (view[3 * (i * kViewSide + j)] == kUnseen || !world.Inside(x, y)) continue;
      move_to(x, y);
      canvas.Tile(-50, -50, 100, 100, kWhite.Faded(16));
    }
  }
  move_to(agent.x, agent.y);
  DrawAgent(canvas, agent);
}

}  // namespace rollout::grid
