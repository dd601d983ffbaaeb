// Plots for people, as SVG.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace xtree::tool {

struct PlotLine {
  std::string name;
  std::vector<std::pair<double, double>> points;  // by growing x; all above 0
};

struct Plot {
  std::string title;
  std::string x_label;
  std::string y_label;
  std::vector<PlotLine> lines;
};

// The plot on two logarithmic axes, with a legend, as an SVG document.
[[nodiscard]] std::string svg_of(const Plot& plot);

}  // namespace xtree::tool
