// Digits and a few letters for pictures, as lines on a grid of 4 x 6: a picture may be so small
// that a font would blur. Draws on the caller's canvas, never allocates.
#pragma once

#include <string_view>

#include "envs/draw/canvas.h"

namespace rollout::draw {

// Writes digits, 'A' and 'k', with (x, y) in their middle. `height` is that of a digit and `stroke`
// the lines' thickness, both in the scene's units. Other characters leave a gap.
void Write(Canvas& canvas, std::string_view text, int x, int y, int height, int stroke,
           Color color);

}  // namespace rollout::draw
