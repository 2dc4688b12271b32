// Pictures of classic control. A metre is 100 units; y goes down.
#include <cmath>

#include "envs/classic/acrobot.h"
#include "envs/classic/cartpole.h"
#include "envs/classic/mountain_car.h"
#include "envs/classic/mountain_car_continuous.h"
#include "envs/classic/pendulum.h"
#include "envs/draw/mechanics.h"

namespace rollout {

using namespace draw::mechanics;  // NOLINT: this file is about nothing else
using draw::Canvas;
using draw::Color;
using draw::Point;
using draw::Turn;
using draw::TurnOf;

// cart pole --------------------------------------------------------------------------------------

void CartPole::Render(const Params&, const State& state, int size, std::uint8_t* rgb) {
  constexpr int kScene = 540, kRail = 400;
  Canvas canvas(size, rgb, kScene, kScene, kPaper);
  canvas.Tile(0, kRail + 26, kScene, kScene, kMuted.Lighter(35));
  DrawCartPole(canvas, kScene, kRail, kXLimit, state.x, state.theta);
}

// pendulum ---------------------------------------------------------------------------------------

void Pendulum::Render(const Params&, const State& state, int size, std::uint8_t* rgb) {
  constexpr int kScene = 280, kMiddle = kScene / 2;
  Canvas canvas(size, rgb, kScene, kScene, kPaper);
  canvas.Ring(kMiddle, kMiddle, Units(kLength), 2, kMuted);
  canvas.Disc(kMiddle, kMiddle - Units(kLength), 11, kGreen.Faded(60));  // where it should stand
  const Turn turn = TurnOf(state.theta);
  const Point middle{kMiddle, kMiddle};
  const Point tip = Added(middle, {-Units(kLength * turn.sine), -Units(kLength * turn.cosine)});
  DrawLink(canvas, middle, tip, 24, kRed);
  DrawJoint(canvas, middle, 17);
}

// acrobot ----------------------------------------------------------------------------------------

void Acrobot::Render(const Params&, const State& state, int size, std::uint8_t* rgb) {
  constexpr int kScene = 460, kMiddle = kScene / 2;
  constexpr double kLength2 = 1.0;  // m; the rules need only where its mass is
  Canvas canvas(size, rgb, kScene, kScene, kPaper);
  const int goal = kMiddle - Units(kGoalHeight);
  canvas.Tile(0, 0, kScene, goal, kGreen.Lighter(78));
  canvas.Line({0, goal}, {kScene, goal}, 5, kGreen);
  const Turn first = TurnOf(state.q[0]), second = TurnOf(state.q[0] + state.q[1]);
  const Point top{kMiddle, kMiddle};
  const Point elbow = Added(top, {Units(kLength1 * first.sine), Units(kLength1 * first.cosine)});
  const Point tip = Added(elbow, {Units(kLength2 * second.sine), Units(kLength2 * second.cosine)});
  DrawLink(canvas, top, elbow, 28, kBlue);
  DrawLink(canvas, elbow, tip, 28, kRed);
  DrawJoint(canvas, top, 17);
  DrawJoint(canvas, elbow, 17);
}

// mountain cars ----------------------------------------------------------------------------------

namespace {

constexpr int kTrackScene = 190;  // from a little left of the wall to a little right of the end

double Height(double position) { return 0.45 * TurnOf(3 * position).sine + 0.55; }

Point OnTrack(double position) {
  return {Units(position + 1.25), kTrackScene - 30 - Units(Height(position))};
}

void DrawTrack(double position, double goal, int size, std::uint8_t* rgb) {
  constexpr Color kSky{196, 222, 240}, kHill{116, 156, 104};
  Canvas canvas(size, rgb, kTrackScene, kTrackScene, kSky);
  constexpr double kFrom = -1.25, kPart = 0.1;
  for (int i = 0; i < 19; ++i) {
    const double x = kFrom + kPart * i;
    const Point left = OnTrack(x), right = OnTrack(x + kPart);
    // a little too wide, so that the parts leave no seam
    canvas.Polygon({left, {right.x + 4, right.y}, {right.x + 4, 400}, {left.x, 400}}, kHill);
    canvas.Line(left, right, 4, kHill.Darker(35));
  }
  const Point pole = OnTrack(goal);
  canvas.Line(pole, {pole.x, pole.y - 34}, 3, kInk);
  canvas.Polygon({{pole.x, pole.y - 36}, {pole.x - 20, pole.y - 28}, {pole.x, pole.y - 20}}, kRed);

  // the car stands on the slope: forward is along it, up is across
  const double slope = 3 * 0.45 * TurnOf(3 * position).cosine;
  const double length = std::sqrt(1 + slope * slope);
  const Point wheels = OnTrack(position);
  const auto at = [&](double forward, double up) {
    return Added(wheels, {Units((forward - up * slope) / length / 100),
                          Units((-forward * slope - up) / length / 100)});
  };
  canvas.Polygon({at(-12, 5), at(12, 5), at(12, 11), at(-12, 11)}, kRed);
  canvas.Polygon({at(-8, 10), at(7, 10), at(3, 17), at(-6, 17)}, kRed.Darker(15));
  canvas.Polygon({at(-5, 11), at(5, 11), at(2, 15), at(-4, 15)}, kSky.Lighter(40));
  for (const int side : {-7, 7}) {
    const Point wheel = at(side, 4);
    canvas.Disc(wheel.x, wheel.y, 4, kInk);
  }
}

}  // namespace

void MountainCar::Render(const Params&, const State& state, int size, std::uint8_t* rgb) {
  DrawTrack(state.position, kGoal, size, rgb);
}

void MountainCarContinuous::Render(const Params&, const State& state, int size, std::uint8_t* rgb) {
  DrawTrack(state.position, kGoal, size, rgb);
}

}  // namespace rollout
