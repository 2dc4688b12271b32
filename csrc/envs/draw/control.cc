// Pictures of the continuous worlds. A metre is 100 units; y goes down.
#include "envs/control/cart_pole_swing_up.h"
#include "envs/control/reacher.h"
#include "envs/draw/mechanics.h"

namespace rollout {

using namespace draw::mechanics;  // NOLINT: this file is about nothing else
using draw::Canvas;
using draw::Point;
using draw::Turn;
using draw::TurnOf;

// From above. The target's green disc is as large as counts as reached, seen through its ring.
void Reacher::Render(const Params&, const State& state, int size, std::uint8_t* rgb) {
  constexpr int kScene = 224, kMiddle = kScene / 2;
  Canvas canvas(size, rgb, kScene, kScene, kMuted.Lighter(35));
  canvas.Disc(kMiddle, kMiddle, Units(2 * kLength) + 5, kPaper);
  canvas.Ring(kMiddle, kMiddle, Units(2 * kLength) + 5, 2, kMuted);
  canvas.MoveTo(kMiddle, kMiddle);

  const Turn first = TurnOf(state.angle1), second = TurnOf(state.angle1 + state.angle2);
  const Point base{0, 0};
  const Point elbow{Units(kLength * first.cosine), -Units(kLength * first.sine)};
  const Point tip = Added(elbow, {Units(kLength * second.cosine), -Units(kLength * second.sine)});
  const Point target{Units(state.target_x), -Units(state.target_y)};
  canvas.Disc(target.x, target.y, 15, kGreen.Lighter(55));
  canvas.Disc(target.x, target.y, Units(kNear), kGreen);
  DrawLink(canvas, base, elbow, 18, kBlue);
  DrawLink(canvas, elbow, tip, 18, kRed);
  DrawJoint(canvas, base, 13);
  DrawJoint(canvas, elbow, 11);
  canvas.Disc(tip.x, tip.y, 5, kPaper);
  canvas.Ring(target.x, target.y, 15, 4, kGreen.Darker(15));  // over the arm, to be seen always
}

void CartPoleSwingUp::Render(const Params&, const State& state, int size, std::uint8_t* rgb) {
  constexpr int kScene = 540, kRail = 290;
  Canvas canvas(size, rgb, kScene, kScene, kPaper);
  // the heights at which the pole counts as up
  canvas.Tile(0, 0, kScene, kRail - 26 - Units(2.2 * kUpright), kGreen.Lighter(78));
  DrawCartPole(canvas, kScene, kRail, kXLimit, state.x, state.theta);
}

}  // namespace rollout
