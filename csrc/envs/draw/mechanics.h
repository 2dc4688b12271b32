// What pictures of carts, poles and arms share. A metre is 100 units; y goes down.
#pragma once

#include <algorithm>
#include <cmath>

#include "envs/draw/canvas.h"
#include "envs/draw/turn.h"

namespace rollout::draw::mechanics {

inline constexpr Color kPaper{250, 247, 240}, kInk{58, 56, 70}, kMuted{214, 208, 198};
inline constexpr Color kRed{214, 82, 74}, kBlue{62, 108, 190}, kAmber{240, 172, 66};
inline constexpr Color kGreen{86, 164, 104};

// Units of so many metres; what is far outside the picture stays just outside.
inline int Units(double metres) {
  constexpr double kFar = 20000;
  const double units = metres * 100;
  return static_cast<int>(std::lround(units > -kFar ? std::min(units, kFar) : -kFar));
}

inline Point Added(Point a, Point b) { return {a.x + b.x, a.y + b.y}; }

// a rod with a bright core
inline void DrawLink(Canvas& canvas, Point from, Point to, int width, Color color) {
  canvas.Line(from, to, width, color);
  canvas.Line(from, to, width * 3 / 8, color.Lighter(30));
}

// a joint: a bolt with a bright middle
inline void DrawJoint(Canvas& canvas, Point at, int radius) {
  canvas.Disc(at.x, at.y, radius, kInk);
  canvas.Disc(at.x, at.y, radius / 2, kAmber);
}

// A rail at height `rail` of a scene `scene` wide, with stops at -limit and limit metres from its
// middle, and a cart at x metres whose pole leans by theta (0 is up). The pole is drawn longer than
// it is: its angle must show in a small picture.
inline void DrawCartPole(Canvas& canvas, int scene, int rail, double limit, double x,
                         double theta) {
  constexpr double kPole = 2.2;
  canvas.Line({0, rail}, {scene, rail}, 7, kInk);
  for (const int stop : {Units(-limit), Units(limit)}) {
    canvas.Box(scene / 2 + stop - 5, rail - 26, 10, 52, kRed, 5);
  }
  canvas.MoveTo(scene / 2 + Units(x), rail);
  canvas.Box(-52, -28, 104, 56, kInk, 12);
  canvas.Box(-46, -22, 92, 20, kInk.Lighter(22), 8);
  for (const int side : {-1, 1}) {
    canvas.Disc(side * 30, 28, 16, kInk.Darker(30));
    canvas.Disc(side * 30, 28, 7, kMuted);
  }
  const Turn lean = TurnOf(theta);
  const Point foot{0, -26};
  const Point tip = Added(foot, {Units(kPole * lean.sine), -Units(kPole * lean.cosine)});
  canvas.Line(foot, tip, 22, kAmber.Darker(12));
  canvas.Line(foot, tip, 12, kAmber.Lighter(15));
  canvas.Disc(foot.x, foot.y, 13, kBlue);
  canvas.MoveTo(0, 0);
}

}  // namespace rollout::draw::mechanics
