#include "tree/aims.h"

#include <cstdio>

namespace bench {

int print_aims(const std::vector<Aim>& aims, const Times& times) {
  int missed = 0;
  std::printf("\n%-34s %-13s %12s  %-20s %12s %7s %6s\n", "row", "ours", "ns", "peer", "ns",
              "ratio", "aim");
  for (const Aim& aim : aims) {
    const auto row = times.find(aim.row);
    if (row == times.end()) continue;
    const auto ours = row->second.find(aim.ours);
    const auto peer = row->second.find(aim.peer);
    if (ours == row->second.end() || peer == row->second.end()) continue;
    const double ratio = peer->second / ours->second;
    const bool reached = ratio >= aim.ratio;
    if (!reached) ++missed;
    std::printf("%-34s %-13s %12.1f  %-20s %12.1f %7.2f %6.2f%s\n", aim.row.c_str(),
                aim.ours.c_str(), ours->second * 1e9, aim.peer.c_str(), peer->second * 1e9, ratio,
                aim.ratio, reached ? "" : "  missed");
  }
  return missed;
}

}  // namespace bench
