// The subcommand plot: a tree's boxes as a drawing, so that people see how they overlap.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <optional>
#include <utility>

#include "commands.h"
#include "coordinates.h"
#include "report.h"

namespace xtree::tool {
namespace {

constexpr double kLongSide = 960;
constexpr double kMargin = 12;
// From the leaves up.
constexpr const char* kColours[] = {"#2a78d6", "#d6452a", "#2a9d5c", "#8a5cc7", "#c78a1f"};

// A node's box on the two axes that are drawn.
struct Outline {
  std::uint32_t level;
  bool supernode;
  double min[2];
  double max[2];
};

Result<std::pair<std::size_t, std::size_t>> parse_axes(const std::string& text,
                                                       std::size_t dimensions) {
  const auto list = split_list(text);
  std::uint64_t axes[2] = {0, 0};
  const bool fine = list.size() == 2 && parse_whole(std::string(list[0]), axes[0]) &&
                    parse_whole(std::string(list[1]), axes[1]);
  if (!fine || axes[0] >= dimensions || axes[1] >= dimensions) {
    return Error(ErrorCode::invalid_argument, "--axes",
                 fmt::format("'{:.40}' is not two axes of 0 to {}", text, dimensions - 1).c_str());
  }
  return std::pair<std::size_t, std::size_t>(axes[0], axes[1]);
}

// Maps the plane of the boxes to pixels, the second axis upwards.
class Paper {
 public:
  explicit Paper(const std::vector<Outline>& outlines) {
    for (const Outline& outline : outlines) {
      for (int axis = 0; axis < 2; ++axis) {
        low_[axis] = std::min(low_[axis], outline.min[axis]);
        high_[axis] = std::max(high_[axis], outline.max[axis]);
      }
    }
    for (int axis = 0; axis < 2; ++axis) {
      if (!(low_[axis] < high_[axis])) high_[axis] = low_[axis] + 1;
    }
    const double width = high_[0] - low_[0];
    const double height = high_[1] - low_[1];
    scale_ = kLongSide / std::max(width, height);
    // Very long planes keep a short side that can be seen.
    width_ = std::max(width * scale_, kLongSide / 8);
    height_ = std::max(height * scale_, kLongSide / 8);
  }

  [[nodiscard]] double width() const { return width_ + 2 * kMargin; }
  [[nodiscard]] double height() const { return height_ + 2 * kMargin; }

  [[nodiscard]] std::string draw(const Outline& outline, std::uint32_t levels) const {
    const double x = kMargin + (outline.min[0] - low_[0]) / (high_[0] - low_[0]) * width_;
    const double y = kMargin + (high_[1] - outline.max[1]) / (high_[1] - low_[1]) * height_;
    const double w = (outline.max[0] - outline.min[0]) / (high_[0] - low_[0]) * width_;
    const double h = (outline.max[1] - outline.min[1]) / (high_[1] - low_[1]) * height_;
    const char* colour = kColours[outline.level % std::size(kColours)];
    const double stroke = levels == 1 ? 0.8 : 0.4 + 0.6 * outline.level;
    return fmt::format(
        "<rect x=\"{:.2f}\" y=\"{:.2f}\" width=\"{:.2f}\" height=\"{:.2f}\" stroke=\"{}\" "
        "stroke-width=\"{:.1f}\" fill=\"{}\" fill-opacity=\"0.06\"{}/>\n",
        x, y, w, h, colour, stroke, colour, outline.supernode ? " stroke-dasharray=\"4 2\"" : "");
  }

 private:
  double low_[2] = {std::numeric_limits<double>::infinity(),
                    std::numeric_limits<double>::infinity()};
  double high_[2] = {-std::numeric_limits<double>::infinity(),
                     -std::numeric_limits<double>::infinity()};
  double scale_ = 1;
  double width_ = 0;
  double height_ = 0;
};

Result<void> write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (file) return {};
  return Error(ErrorCode::io_error, path.c_str(), "the drawing cannot be written");
}

}  // namespace

Result<void> run_plot(const PlotOptions& options, bool json) {
  auto database = open_existing(options.directory);
  if (!database) return database.error();
  auto index = open_existing(*database, options.index);
  if (!index) return index.error();
  const std::size_t dimensions = (*index)->schema().dimensions;
  // One axis is drawn against itself.
  const std::string wanted = dimensions == 1 && options.axes == "0,1" ? "0,0" : options.axes;
  auto axes = parse_axes(wanted, dimensions);
  if (!axes) return axes.error();

  std::vector<Outline> outlines;
  std::uint32_t levels = 0;
  auto show = [&](const detail::NodeOutline& node) {
    levels = std::max(levels, node.level + 1);
    if (options.level && *options.level != node.level) return;
    const float* low = node.box;
    const float* high = node.box + dimensions;
    outlines.push_back({node.level, node.supernode, {low[axes->first], low[axes->second]},
                        {high[axes->first], high[axes->second]}});
  };
  const auto visited = (*index)->for_each_node(nullptr, detail::NodeVisitor::of(show));
  if (!visited) return visited;
  if (options.level && *options.level >= levels) {
    return Error(ErrorCode::invalid_argument, "--level",
                 fmt::format("the tree has {} levels, from 0", levels).c_str());
  }
  // The leaves first, so that what holds them is drawn over them.
  std::ranges::stable_sort(outlines, {}, &Outline::level);
  const Paper paper(outlines);
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {:.0f} {:.0f}\" "
      "width=\"{:.0f}\" height=\"{:.0f}\">\n<rect width=\"100%\" height=\"100%\" "
      "fill=\"white\"/>\n",
      paper.width(), paper.height(), paper.width(), paper.height());
  for (const Outline& outline : outlines) {
    svg += paper.draw(outline, options.level ? 1 : levels);
  }
  svg += "</svg>\n";
  if (auto written = write_file(options.output, svg); !written) return written;
  print_document({{"index", options.index},
                  {"levels", levels},
                  {"drawn_nodes", outlines.size()},
                  {"file", options.output}},
                 json);
  return {};
}

}  // namespace xtree::tool
