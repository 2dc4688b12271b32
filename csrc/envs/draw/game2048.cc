// Pictures of 2048. A tile's colour tells its number; the number is written too, thousands as 1k.
#include "envs/chance/game2048.h"

#include <charconv>
#include <string_view>

#include "envs/draw/canvas.h"
#include "envs/draw/glyphs.h"

namespace rollout {
namespace {

using draw::Canvas;
using draw::Color;

constexpr Color kFrame{166, 152, 138}, kEmpty{200, 188, 174};
constexpr Color kDark{104, 94, 84}, kLight{252, 248, 242};
// by the exponent, from a tile of 2 on: warmer, then gold, then from green to violet
constexpr Color kTiles[Game2048::kLargest] = {
    {242, 234, 224}, {240, 220, 186}, {244, 178, 120}, {246, 146, 92}, {246, 118, 92},
    {238, 82, 56},   {240, 210, 116}, {236, 198, 78},  {232, 186, 42}, {206, 196, 60},
    {150, 186, 70},  {86, 168, 92},   {48, 150, 132},  {52, 126, 176}, {72, 92, 186},
    {110, 72, 176},  {150, 60, 150}};

}  // namespace

void Game2048::Render(const Params&, const State& state, int size, std::uint8_t* rgb) {
  constexpr int kCell = 100, kScene = kSide * kCell + 8;
  Canvas canvas(size, rgb, kScene, kScene, kFrame);
  for (int cell = 0; cell < kCells; ++cell) {
    canvas.MoveTo(4 + cell % kSide * kCell + kCell / 2, 4 + cell / kSide * kCell + kCell / 2);
    const int tile = state.tile[cell];
    canvas.Box(-46, -46, 92, 92, tile == 0 ? kEmpty : kTiles[tile - 1], 10);
    if (tile == 0) continue;
    char text[8];
    const int number = tile < 10 ? 1 << tile : 1 << (tile - 10);
    char* end = std::to_chars(text, text + sizeof text - 1, number).ptr;
    if (tile >= 10) *end++ = 'k';
    const std::string_view word(text, static_cast<std::size_t>(end - text));
    constexpr int kHeights[] = {58, 42, 28, 22};  // as wide as fits, by how many there are
    constexpr int kStrokes[] = {13, 10, 7, 6};
    const bool light = (tile > 2 && tile < 7) || tile > 10;
    draw::Write(canvas, word, 0, 0, kHeights[word.size() - 1], kStrokes[word.size() - 1],
                light ? kLight : kDark);
  }
}

}  // namespace rollout
