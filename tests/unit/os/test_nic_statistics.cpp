// What names of drivers' counters mean.
#include "harness/os/ethtool.hpp"
#include "harness/os/nic_statistics.hpp"
#include "tests/two_nodes.hpp"

using namespace grit;
using grit::test::ok;
using M = grit::StatisticMeaning;

TEST_CASE("statistics of drivers are told apart by their names") {
  const auto is = [](const char* name, M meaning, const char* part = "") {
    const StatisticClass found = classify_statistic(name);
    INFO(name << " is " << static_cast<int>(found.meaning) << " of '" << found.part << "'");
    CHECK(found.meaning == meaning);
    CHECK(found.part == part);
  };
  // mlx5
  is("rx_crc_errors_phy", M::error);
  is("rx_symbol_err_phy", M::error);
  is("rx_discards_phy", M::drop);
  is("rx_out_of_buffer", M::drop);
  is("dev_internal_queue_oob", M::drop);
  is("rx_buff_alloc_err", M::drop);
  is("rx3_buff_alloc_err", M::drop, "rx3");
  is("tx12_cqe_err", M::error, "tx12");
  is("tx12_recover", M::error, "tx12");
  is("rx_prio3_pause", M::pause_in, "prio3");
  is("tx_prio3_pause", M::pause_out, "prio3");
  is("rx_prio3_pause_duration", M::pause_in_time, "prio3");
  is("tx_global_pause_duration", M::pause_out_time);
  is("rx_prio3_pause_transition", M::none);
  is("rx_prio0_buf_discard", M::drop, "prio0");
  is("tx_pause_storm_warning_events", M::pause_storm);
  is("tx_pause_storm_error_events", M::pause_storm_ended);
  is("link_down_events_phy", M::link_lost);
  is("rx_oversize_pkts_phy", M::too_large);
  is("rx_oversize_pkts_sw_drop", M::too_large);
  is("module_unplug", M::module_gone);
  is("module_high_temp", M::module_trouble);
  is("rx_pci_signal_integrity", M::pci_trouble);
  is("rx_corrected_bits_phy", M::none);
  is("rx_err_lane_0_phy", M::none);
  is("rx_steer_missed_packets", M::none);
  is("rx3_xdp_drop", M::none);
  is("rx_csum_unnecessary", M::none);
  is("rx3_packets", M::none);
  is("tx3_stopped", M::none);
  // others
  is("rx_queue_0_drops", M::drop, "rx0");  // veth, virtio_net
  is("rx_queue_0_xdp_drops", M::none);     // veth
  is("peer_ifindex", M::none);             // veth
  is("rx0_drops", M::drop, "rx0");         // virtio_net
  is("tx-4.tx_busy", M::none);             // i40e
  is("port.rx_crc_errors", M::error);      // i40e
  is("port.link_xoff_rx", M::pause_in);    // i40e
  is("port.link_xon_rx", M::none);         // i40e
  is("port.tx_priority_3_xoff", M::pause_out, "prio3");
  is("rx_no_dma_resources", M::drop);        // ixgbe
  is("tx_flow_control_xoff", M::pause_out);  // igb
  is("rx_no_buffer_count", M::drop);         // e1000e
  is("rx_missed_errors", M::drop);           // e1000e
  is("rx_csum_offload_errors", M::none);     // e1000e
  is("interrupts", M::none);
  is("queue_3_tx_missed_tx", M::drop, "tx3");  // ena
  is("bw_in_allowance_exceeded", M::drop);     // ena
  is("[3]: rx_discards", M::drop, "rx3");      // bnxt
  is("rx_fcs_err_frames", M::error);           // bnxt
  is("", M::none);
  is("\xff\xfe_err\x1b", M::error);
}

TEST_CASE("ethtool: a veth's own counters, speed and duplex") {
  test::in_namespaces([] {
    test::without_dad();
    test::TwoNodes nodes;
    const Ethtool ethtool = ok(Ethtool::open());
    const auto statistics = ethtool.statistics("eth0");
    REQUIRE_FALSE(statistics.empty());
    REQUIRE(statistics[0] ==
            DriverStatistic{"peer_ifindex", static_cast<std::uint64_t>(ok(nodes.far.link("port0")).ifindex)});
    REQUIRE(ethtool.duplex("eth0") == Duplex::full);
    REQUIRE(ethtool.statistics("lo").empty());
    REQUIRE_FALSE(ethtool.duplex("nosuch0"));
    REQUIRE(ethtool.statistics("nosuch0").empty());
  });
}
