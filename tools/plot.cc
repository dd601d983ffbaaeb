#include "plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace xtree::tool {
namespace {

constexpr double kWidth = 720;
constexpr double kHeight = 420;
constexpr double kLeft = 60;
constexpr double kRight = 260;  // for the legend
constexpr double kTop = 40;
constexpr double kBottom = 50;
constexpr const char* kColours[] = {"#777777", "#2a78d6", "#d6452a", "#8a5cc7",
                                    "#2a9d5c", "#c78a1f", "#16a2b8", "#b0307a"};

// A logarithmic axis from one power of ten to another, on so many pixels.
class Axis {
 public:
  Axis(double least, double most, double begin, double end)
      : low_(std::floor(std::log10(least))),
        high_(std::max(std::ceil(std::log10(most)), low_ + 1)),
        begin_(begin),
        end_(end) {}

  [[nodiscard]] double at(double value) const {
    return begin_ + (end_ - begin_) * (std::log10(value) - low_) / (high_ - low_);
  }
  // The powers of ten.
  [[nodiscard]] std::vector<double> ticks() const {
    std::vector<double> ticks;
    for (double power = low_; power <= high_; ++power) ticks.push_back(std::pow(10, power));
    return ticks;
  }

 private:
  double low_, high_, begin_, end_;
};

std::string text(double x, double y, const char* anchor, const std::string& words) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", x, y, anchor,
                     words);
}

std::string rule(double x1, double y1, double x2, double y2) {
  return fmt::format("<path d=\"M{:.1f} {:.1f}L{:.1f} {:.1f}\" stroke=\"#ddd\"/>\n", x1, y1, x2,
                     y2);
}

std::string grid(const Axis& x, const Axis& y) {
  std::string svg;
  for (const double tick : x.ticks()) {
    svg += rule(x.at(tick), kTop, x.at(tick), kHeight - kBottom);
    svg += text(x.at(tick), kHeight - kBottom + 18, "middle", fmt::format("{:g}", tick));
  }
  for (const double tick : y.ticks()) {
    svg += rule(kLeft, y.at(tick), kWidth - kRight, y.at(tick));
    svg += text(kLeft - 8, y.at(tick) + 4, "end", fmt::format("{:g}", tick));
  }
  return svg;
}

std::string line(const PlotLine& line, std::size_t number, const Axis& x, const Axis& y) {
  const char* colour = kColours[number % std::size(kColours)];
  std::string path;
  for (const auto& [px, py] : line.points) {
    path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", x.at(px), y.at(py));
  }
  const double row = kTop + 10 + 20 * static_cast<double>(number);
  const double legend = kWidth - kRight + 14;
  return fmt::format("<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>\n", path,
                     colour) +
         fmt::format("<path d=\"M{:.1f} {:.1f}h18\" stroke=\"{}\" stroke-width=\"2\"/>\n", legend,
                     row, colour) +
         text(legend + 24, row + 4, "start", line.name);
}

}  // namespace

std::string svg_of(const Plot& plot) {
  double least_x = HUGE_VAL, most_x = 0, least_y = HUGE_VAL, most_y = 0;
  for (const PlotLine& line : plot.lines) {
    for (const auto& [x, y] : line.points) {
      least_x = std::min(least_x, x);
      most_x = std::max(most_x, x);
      least_y = std::min(least_y, y);
      most_y = std::max(most_y, y);
    }
  }
  const Axis x(least_x, most_x, kLeft, kWidth - kRight);
  const Axis y(least_y, most_y, kHeight - kBottom, kTop);
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:g} {1:g}\" "
      "font-family=\"sans-serif\" "
      "font-size=\"12\">\n<rect width=\"{0:g}\" height=\"{1:g}\" fill=\"white\"/>\n",
      kWidth, kHeight);
  svg += text(kLeft, 22, "start", plot.title + ", " + plot.y_label);
  svg += text((kLeft + kWidth - kRight) / 2, kHeight - 10, "middle", plot.x_label);
  svg += grid(x, y);
  for (std::size_t i = 0; i < plot.lines.size(); ++i) svg += line(plot.lines[i], i, x, y);
  return svg + "</svg>\n";
}

}  // namespace xtree::tool
