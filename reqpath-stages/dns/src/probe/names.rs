//! The names one look-up turns into, by the rules of the GNU C library.

use crate::evidence::{Resolvers, SearchList};

/// Names followed at most; the list itself is kept whole.
pub(super) const MOST_NAMES: usize = 8;

/// The names that a look-up of `host` asks for in turn, each absolute.
///
/// With a final dot there is only the name itself. A name with at least `ndots` dots is asked for as it
/// is first and then with each suffix; one with fewer, the other way round.
pub(super) fn expand(host: &str, resolvers: &Resolvers) -> SearchList {
    let mut names = Vec::new();
    let absolute = absolute(host);
    if host.ends_with('.') {
        names.push(absolute);
    } else {
        let dots = host.bytes().filter(|byte| *byte == b'.').count();
        let as_it_is_first = dots >= resolvers.ndots as usize;
        if as_it_is_first {
            names.push(absolute.clone());
        }
        for suffix in &resolvers.search {
            let suffix = suffix.trim_matches('.');
            let name = if suffix.is_empty() { absolute.clone() } else { format!("{host}.{suffix}.") };
            // A name asked for twice costs a query twice, but tells nothing new.
            if !names.contains(&name) && is_name(&name) {
                names.push(name.to_ascii_lowercase());
            }
        }
        let single_label_stays = dots == 0 && resolvers.options.iter().any(|option| option == "no-tld-query");
        let left_out = single_label_stays && !resolvers.search.is_empty();
        if !names.contains(&absolute) && !left_out {
            names.push(absolute);
        }
    }
    let not_followed = names.split_off(names.len().min(MOST_NAMES));
    SearchList {
        name: host.to_owned(),
        names,
        not_followed,
        ndots: resolvers.ndots,
        emulates: "glibc".into(),
    }
}

/// The name as it is, with its final dot.
pub(super) fn absolute(host: &str) -> String {
    format!("{}.", host.trim_end_matches('.').to_ascii_lowercase())
}

/// Whether a name stands for this very host, and is never asked of the network (RFC 6761, section 6.3).
pub(super) fn is_localhost(host: &str) -> bool {
    let last = host.strip_suffix('.').unwrap_or(host).rsplit('.').next();
    last.is_some_and(|label| label.eq_ignore_ascii_case("localhost"))
}

fn is_name(name: &str) -> bool {
    name.len() <= 254
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(host: &str, search: &[&str], ndots: u32, options: &[&str]) -> Vec<String> {
        let resolvers = Resolvers {
            search: search.iter().map(ToString::to_string).collect(),
            ndots,
            options: options.iter().map(ToString::to_string).collect(),
            ..Resolvers::default()
        };
        expand(host, &resolvers).names
    }

    #[test]
    fn few_dots_go_through_the_list_first() {
        assert_eq!(
            names("api.pay", &["ns.svc.cluster.local", "svc.cluster.local"], 5, &[]),
            ["api.pay.ns.svc.cluster.local.", "api.pay.svc.cluster.local.", "api.pay."]
        );
    }

    #[test]
    fn enough_dots_go_as_they_are_first() {
        assert_eq!(names("API.pay", &["corp.test"], 1, &[]), ["api.pay.", "api.pay.corp.test."]);
        assert_eq!(names("api", &["corp.test"], 0, &[]), ["api.", "api.corp.test."]);
    }

    #[test]
    fn a_final_dot_ends_all_searching() {
        assert_eq!(names("api.pay.", &["corp.test"], 5, &[]), ["api.pay."]);
    }

    #[test]
    fn the_root_in_the_list_is_the_name_itself() {
        assert_eq!(names("api", &[".", "corp.test."], 1, &[]), ["api.", "api.corp.test."]);
    }

    #[test]
    fn a_single_label_may_be_kept_from_the_root() {
        assert_eq!(names("api", &["corp.test"], 1, &["no-tld-query"]), ["api.corp.test."]);
        assert_eq!(names("api", &[], 1, &["no-tld-query"]), ["api."]);
    }

    #[test]
    fn a_long_list_is_kept_and_not_followed() {
        let search: Vec<String> = (0..20).map(|n| format!("d{n}.test")).collect();
        let search: Vec<&str> = search.iter().map(String::as_str).collect();
        let resolvers =
            Resolvers { search: search.iter().map(ToString::to_string).collect(), ..Resolvers::default() };
        let list = expand("api", &resolvers);
        assert_eq!(list.names.len(), MOST_NAMES);
        assert_eq!(list.not_followed.len(), 21 - MOST_NAMES);
    }

    #[test]
    fn this_very_host_is_known_by_its_names() {
        assert!(is_localhost("localhost") && is_localhost("a.LOCALHOST."));
        assert!(!is_localhost("localhost.example") && !is_localhost("mylocalhost") && !is_localhost(""));
    }
}
