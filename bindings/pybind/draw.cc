// What tests need to look inside the rasteriser: environments draw with it natively.
#include <pybind11/stl.h>

#include <array>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "envs/draw/canvas.h"
#include "envs/draw/turn.h"
#include "module.h"

namespace rollout::bindings {
namespace {

using draw::Canvas;
using Rgba = std::array<std::uint8_t, 4>;
using Shape = std::tuple<std::string, Rgba, std::vector<int>>;

void Draw(Canvas& canvas, const std::string& kind, const draw::Color& color,
          const std::vector<int>& at) {
  const auto is = [&](const char* name, std::size_t count) {
    return kind == name && at.size() == count;
  };
  if (is("tile", 4)) return canvas.Tile(at[0], at[1], at[2], at[3], color);
  if (is("box", 5)) return canvas.Box(at[0], at[1], at[2], at[3], color, at[4]);
  if (is("disc", 3)) return canvas.Disc(at[0], at[1], at[2], color);
  if (is("ring", 4)) return canvas.Ring(at[0], at[1], at[2], at[3], color);
  if (is("line", 5)) return canvas.Line({at[0], at[1]}, {at[2], at[3]}, at[4], color);
  if (kind == "polygon" && at.size() % 2 == 0 && at.size() <= 2 * Canvas::kMostCorners) {
    std::vector<draw::Point> corners;
    for (std::size_t i = 0; i < at.size(); i += 2) corners.push_back({at[i], at[i + 1]});
    return canvas.Polygon(corners.data(), static_cast<int>(corners.size()), color);
  }
  throw py::value_error(
      "shapes: expected tile (x, y, width, height), box (..., round), disc (x, y, radius), ring "
      "(..., width), line (x, y, x, y, width) or polygon (x, y, ...), got " +
      kind + " with " + std::to_string(at.size()) + " numbers");
}

py::array_t<std::uint8_t> DrawShapes(int size, std::pair<int, int> scene, const Rgba& ground,
                                     const std::vector<Shape>& shapes) {
  if (size < 1 || scene.first < 1 || scene.second < 1) {
    throw py::value_error("size, scene: expected at least 1 pixel and 1 unit a side");
  }
  const auto color = [](const Rgba& from) {
    return draw::Color{from[0], from[1], from[2], from[3]};
  };
  py::array_t<std::uint8_t> rgb({size, size, 3});
  Canvas canvas(size, rgb.mutable_data(), scene.first, scene.second, color(ground));
  for (const auto& [kind, paint, numbers] : shapes) Draw(canvas, kind, color(paint), numbers);
  return rgb;
}

std::pair<double, double> SineCosine(double radians) {
  const draw::Turn turn = draw::TurnOf(radians);
  return {turn.sine, turn.cosine};
}

}  // namespace

void BindDraw(py::module_& m) {
  m.def("draw_shapes", &DrawShapes, py::arg("size"), py::arg("scene"), py::arg("ground"),
        py::arg("shapes"), "Shapes as the environments' pictures are made of them.");
  m.def("draw_turn", &SineCosine, py::arg("radians"),
        "Sine and cosine as pictures take them: the same bits on every machine.");
}

}  // namespace rollout::bindings
