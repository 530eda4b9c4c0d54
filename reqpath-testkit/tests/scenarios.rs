//! Every scenario file, played on fakes and on the lab.

reqpath_testkit::scenarios! {
    in "scenarios";
    client_deadline_too_short, client_hosts_override, dns_broken_family, dns_dangling_cname,
    dns_dead_address, dns_dnssec_bogus, dns_garbage, dns_no_data, dns_nxdomain, dns_refused, dns_servfail, dns_timed_out,
    dns_truncated_tcp_blocked, dns_unreachable, healthy_both_families, healthy_http, healthy_https,
    http_empty, http_error_502_tls, http_error_503, http_error_every_second, http_garbage,
    http_redirect_loop, http_reset, http_timed_out, http_unexpected_status, response_stalled,
    response_truncated, tcp_accept_queue_full, tcp_closed, tcp_no_local_route, tcp_port_rejected,
    tcp_prohibited, tcp_refused, tcp_refused_every_third, tcp_reset, tcp_timed_out, tcp_unreachable,
    tls_client_certificate, tls_expired, tls_expired_intermediate, tls_missing_intermediate,
    tls_not_yet_valid, tls_plaintext_peer, tls_self_signed, tls_timed_out, tls_unknown_authority,
    tls_wrong_name, twin_application_404, twin_fault_behind_another, twin_hosts_agrees,
    twin_missing_intermediate_unknown, twin_other_server, twin_slow_is_not_dead,
}
