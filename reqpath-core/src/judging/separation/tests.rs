//! How often something is found that is there, and how often something that is not.

use fastrand::Rng;

use super::nominate::{confirm, nominate};
use super::round::Sample;
use crate::{Separation, Share};

/// The counted samples of one trace, and those that confirm.
const N: usize = 24;

/// One request as the simulated road has it.
type Had = Vec<(&'static str, String)>;

/// Attributes as real traces have them: two nameservers, both families, four addresses, nodes, Pods, ports, sizes.
fn request(random: &mut Rng) -> Had {
    const ADDRESSES: [&str; 4] = ["192.0.2.1:443", "192.0.2.2:443", "[2001:db8::1]:443", "[2001:db8::2]:443"];
    let address = ADDRESSES[random.usize(..4)];
    let node = random.usize(..3);
    // The kernel gives connections even ports.
    let port = 32_768 + 2 * random.u32(..14_000);
    let size = 1 << random.u32(4..20);
    vec![
        ("resolver", format!("192.0.2.{}:53", 53 + random.u32(..2))),
        ("address", address.to_owned()),
        ("family", if address.starts_with('[') { "IPv6" } else { "IPv4" }.to_owned()),
        ("source_port", port.to_string()),
        ("http_version", if random.bool() { "HTTP/2" } else { "HTTP/1.1" }.to_owned()),
        ("tls_version", "TLSv1.3".to_owned()),
        ("response_size", (size + random.u32(..size)).to_string()),
        ("node", format!("node-{node}")),
        ("pod", format!("web-{node}{}", random.u32(..2))),
    ]
}

fn round(random: &mut Rng, n: usize, dies: &dyn Fn(&Had) -> f64) -> Vec<(bool, Had)> {
    let one = |random: &mut Rng| {
        let had = request(random);
        (random.f64() < dies(&had), had)
    };
    (0..n).map(|_| one(random)).collect()
}

fn samples(round: &[(bool, Had)]) -> Vec<Sample<'_>> {
    round
        .iter()
        .map(|(died, had)| Sample {
            died: *died,
            attributes: had.iter().map(|(name, value)| (*name, value.as_str())).collect(),
        })
        .collect()
}

/// What a trace with this fault names.
fn trace(random: &mut Rng, n: usize, dies: &dyn Fn(&Had) -> f64) -> Option<Separation> {
    let (counted, further) = (round(random, n, dies), round(random, n, dies));
    confirm(nominate(&samples(&counted))?, &samples(&further))
}

fn has(had: &Had, name: &str, of: impl Fn(&str) -> bool) -> bool {
    had.iter().any(|(known, value)| *known == name && of(value))
}

#[test]
fn where_nothing_separates_nothing_is_named() {
    let mut random = Rng::with_seed(1);
    let (mut nominated, mut named, mut runs) = (0, 0, 0);
    for rate in [0.1, 0.2, 0.3, 0.5, 0.7, 0.9] {
        for n in [10, N, 100] {
            for _ in 0..200 {
                let dies = |_: &Had| rate;
                let (counted, further) = (round(&mut random, n, &dies), round(&mut random, n, &dies));
                runs += 1;
                if let Some(nomination) = nominate(&samples(&counted)) {
                    nominated += 1;
                    named += usize::from(confirm(nomination, &samples(&further)).is_some());
                }
            }
        }
    }
    println!("{nominated} nominated and {named} named of {runs}");
    assert!(nominated * 20 <= runs, "{nominated} of {runs}");
    assert!(named * 1_000 <= runs, "{named} of {runs}");
}

#[test]
fn a_thousand_times_at_24_samples_at_most_ten_are_named() {
    let mut random = Rng::with_seed(24);
    let named = (0..1_000)
        .filter(|run| {
            let rate = f64::from(run % 9 + 1) / 10.0;
            trace(&mut random, N, &|_| rate).is_some()
        })
        .count();
    println!("{named} of 1000");
    assert!(named <= 10, "{named}");
}

/// Each attribute with the values that fail, and how it is told.
type Fault = (&'static str, fn(&Had) -> bool, fn(&str) -> bool);

const FAULTS: [Fault; 9] = [
    ("resolver", |had| has(had, "resolver", |v| v == "192.0.2.54:53"), |v| v == "192.0.2.54:53"),
    ("address", |had| has(had, "address", |v| v == "192.0.2.2:443"), |v| v == "192.0.2.2:443"),
    ("family", |had| has(had, "family", |v| v == "IPv6"), |v| v.starts_with("IPv6")),
    (
        "source_port",
        |had| has(had, "source_port", |v| v.parse::<u32>().unwrap() / 2 % 2 == 1),
        |v| v == "2 to 3 modulo 4",
    ),
    (
        "source_port",
        |had| has(had, "source_port", |v| v.parse::<u32>().unwrap() >= 46_000),
        |v| v.ends_with(" or more"),
    ),
    ("http_version", |had| has(had, "http_version", |v| v == "HTTP/2"), |v| v == "HTTP/2"),
    (
        "response_size",
        |had| has(had, "response_size", |v| v.parse::<u32>().unwrap() > 20_000),
        |v| v.ends_with(" or more"),
    ),
    ("node", |had| has(had, "node", |v| v.starts_with("node-1")), |v| v.starts_with("node-1")),
    (
        "pod",
        |had| has(had, "pod", |v| v == "web-10" || v == "web-21"),
        |v| v == "web-10 or web-21" || v == "web-21 or web-10",
    ),
];

/// How many of a hundred traces name the true attribute, and how many another.
fn found(fault: &Fault, n: usize, failing: f64, others: f64) -> (usize, usize) {
    let (name, fails, told) = fault;
    let mut random = Rng::with_seed(7);
    let (mut right, mut wrong) = (0, 0);
    for _ in 0..100 {
        let dies = |had: &Had| if fails(had) { failing } else { others };
        let Some(named) = trace(&mut random, n, &dies) else { continue };
        match named.attributes.iter().any(|known| known == name) && told(&named.value) {
            true => right += 1,
            false => wrong += 1,
        }
    }
    (right, wrong)
}

#[test]
fn each_attribute_is_found_where_it_always_kills() {
    for fault in &FAULTS {
        let (right, wrong) = found(fault, N, 1.0, 0.0);
        println!("{:<14} always: {right} right, {wrong} other of 100", fault.0);
        assert!(right >= 85 && wrong <= 2, "{}: {right} right, {wrong} other", fault.0);
    }
}

#[test]
fn each_attribute_is_often_found_where_it_mostly_kills() {
    for fault in &FAULTS {
        let (right, wrong) = found(fault, N, 0.8, 0.05);
        let (at_100, wrong_at_100) = found(fault, 100, 0.8, 0.05);
        println!(
            "{:<14} 80 %/5 %: {right} right, {wrong} other of 100; with 100 samples {at_100}, {wrong_at_100}",
            fault.0
        );
        assert!(wrong <= 5 && at_100 >= 95 && wrong_at_100 <= 5, "{}: {right}, {at_100}", fault.0);
    }
}

fn rows(rows: &[(bool, &'static str, &'static str)]) -> Vec<Sample<'static>> {
    rows.iter()
        .map(|(died, address, node)| Sample {
            died: *died,
            attributes: vec![("address", address), ("node", node)],
        })
        .collect()
}

/// Each row so many times.
fn times(n: usize, of: &[(bool, &'static str, &'static str)]) -> Vec<Sample<'static>> {
    rows(&of.iter().copied().cycle().take(n * of.len()).collect::<Vec<_>>())
}

#[test]
fn what_always_goes_together_is_named_together() {
    let counted = times(12, &[(true, "a", "one"), (false, "b", "two")]);
    let named = confirm(nominate(&counted).unwrap(), &counted).unwrap();
    assert_eq!((named.attributes.join("+"), named.value.as_str()), ("address+node".to_owned(), "a, one"));
    assert_eq!((named.failing, named.others), (Share::new(12, 12), Share::new(0, 12)));
    assert!(named.p < 1e-5 && named.confirmed.p < 1e-6);
    // In the further round they part, and only one of them is borne out.
    let apart = times(6, &[(true, "a", "one"), (false, "b", "two"), (true, "a", "two"), (false, "b", "one")]);
    let named = confirm(nominate(&counted).unwrap(), &apart).unwrap();
    assert_eq!((named.attributes.join("+"), named.value.as_str()), ("address".to_owned(), "a"));
}

#[test]
fn two_of_four_are_named_as_a_set() {
    let four = [(true, "a", "x"), (false, "b", "x"), (true, "c", "x"), (false, "d", "x")];
    let named = confirm(nominate(&times(6, &four)).unwrap(), &times(6, &four)).unwrap();
    assert_eq!(named.value, "a or c");
}

#[test]
fn what_is_not_borne_out_is_not_named() {
    let counted = times(12, &[(true, "a", "x"), (false, "b", "x")]);
    let at_random = times(6, &[(true, "a", "x"), (false, "b", "x"), (false, "a", "x"), (true, "b", "x")]);
    assert!(confirm(nominate(&counted).unwrap(), &at_random).is_none());
    assert!(confirm(nominate(&counted).unwrap(), &[]).is_none());
    assert!(nominate(&times(4, &[(true, "a", "x"), (false, "b", "x")])).is_none(), "eight are too few");
    assert!(nominate(&times(24, &[(true, "a", "x")])).is_none(), "there is nothing to compare with");
}

#[test]
fn what_a_sample_does_not_tell_is_no_value() {
    // Those that died early have no such attribute: that is a consequence, and tells nothing.
    let early = |n: usize| {
        let died = (0..n).map(|_| Sample { died: true, attributes: Vec::new() });
        let came_back = (0..n).map(|k| Sample { died: false, attributes: vec![("size", ["1", "2"][k % 2])] });
        died.chain(came_back).collect::<Vec<_>>()
    };
    assert!(nominate(&early(12)).is_none());
}

#[test]
fn ten_thousand_samples_of_hostile_names_are_compared_in_no_time() {
    let names: Vec<String> = (0..10_000).map(|k| format!("v{k}")).collect();
    let many = (0..10_000).map(|k| Sample {
        died: k % 2 == 0,
        attributes: vec![("unique", names[k].as_str()), ("some", names[k % 60].as_str())],
    });
    let began = std::time::Instant::now();
    let _ = nominate(&many.collect::<Vec<_>>());
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
}
