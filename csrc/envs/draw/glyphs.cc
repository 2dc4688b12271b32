#include "envs/draw/glyphs.h"

#include <cstddef>

namespace rollout::draw {
namespace {

constexpr int kWide = 4, kTall = 6, kStep = 6;  // of the grid; from one glyph to the next

// corners as pairs of digits, x and y; a space lifts the pen
std::string_view Strokes(char c) {
  constexpr std::string_view kDigits[] = {
      "011030414536160501",                // 0
      "112026 1636",                       // 1
      "01103041420646",                    // 2
      "01103041423323 334445361605",       // 3
      "36300444",                          // 4
      "4000023243453606",                  // 5
      "4130100105163645433303",            // 6
      "004016",                            // 7
      "13020110304142331304051636454433",  // 8
      "4313020110304145361605",            // 9
  };
  if (c >= '0' && c <= '9') return kDigits[c - '0'];
  if (c == 'A') return "06022042 0444 4246";
  if (c == 'k') return "0006 320436";
  return "";
}

}  // namespace

void Write(Canvas& canvas, std::string_view text, int x, int y, int height, int stroke,
           Color color) {
  const int count = static_cast<int>(text.size());
  // twice the grid's units: the middle falls between two of them
  const int left = 2 * x * kTall - height * (kStep * count - (kStep - kWide));
  const auto at = [&](int glyph, char column, char row) {
    return Point{(left + 2 * height * (kStep * glyph + column - '0')) / (2 * kTall),
                 y + height * (2 * (row - '0') - kTall) / (2 * kTall)};
  };
  for (int glyph = 0; glyph < count; ++glyph) {
    const std::string_view strokes = Strokes(text[static_cast<std::size_t>(glyph)]);
    for (std::size_t i = 0; i + 3 < strokes.size(); i += 2) {
      if (strokes[i + 2] == ' ') {
        ++i;  // and on past this corner and the space
        continue;
      }
      canvas.Line(at(glyph, strokes[i], strokes[i + 1]), at(glyph, strokes[i + 2], strokes[i + 3]),
                  stroke, color);
    }
  }
}

}  // namespace rollout::draw
