//! Records a second that `irongate policy replay` decides again, on one core: lines as a fleet writes them (a dozen callers, some
//! hundred nodes, reads and writes), parsed, looked up and counted, under all shipped policies.
//!
//!     cargo bench --bench replay

#![expect(clippy::expect_used, reason = "a benchmark that cannot begin should end")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use irongate::policy;
use irongate::replay::Replay;

const RECORDS: u64 = 20_000;

fn lines() -> Vec<String> {
    let roles = ["nova-compute", "operator", "auditor", "metal3", "admin"];
    (0..RECORDS)
        .zip(roles.into_iter().cycle())
        .map(|(number, role)| {
            let node = format!("1be26c0b-03f2-4d2e-ae87-{:012x}", number % 700);
            let (operation, more) = match number % 4 {
                0 => ("node:list", r#""query":["fields","limit"],"query_values":{"fields":["uuid","name"],"limit":"100"},"#.to_owned()),
                1 => ("node:get", format!(r#""resource":{{"type":"Node","id":"{node}"}},"#)),
                2 => (
                    "node:update",
                    format!(
                        r#""resource":{{"type":"Node","id":"{node}"}},"writes":[{{"op":"add","path":"/extra/key{}","value":{{"kind":"string","length":9,"spelling":"word"}}}},{{"op":"replace","path":"/instance_info/image_source","value":{{"kind":"string","length":40,"spelling":"word","url":{{"plain":true,"scheme":"https","host":"images.example","userinfo":false}}}}}}],"#,
                        number % 50
                    ),
                ),
                _ => (
                    "node:set_power_state",
                    format!(
                        r#""resource":{{"type":"Node","id":"{node}"}},"writes":[{{"op":"add","path":"/target","value":{{"kind":"string","length":8,"string":"power on","spelling":"line"}}}}],"#
                    ),
                ),
            };
            format!(
                r#"{{"kind":"decision","version":1,"time":"2026-01-02T03:{:02}:{:02}.123456Z","request_id":"req-1be26c0b-03f2-4d2e-ae87-{number:012x}","listener":"public","source":"192.0.2.{}","http":"HTTP/1.1","principal":{{"scheme":"basic","name":"user-{}","roles":["{role}"],"bindings":["0"]}},"operation":"{operation}",{more}"microversion":"1.95","mode":"shadow","revision":"5f2c5f2c5f2c5f2c5f2c5f2c5f2c5f2c5f2c5f2c5f2c5f2c5f2c5f2c5f2c5f2c","decision":"permit","policies":["a.b"],"status":200,"upstream_status":200,"outcome":"complete","request_bytes":120,"answer_bytes":5120,"duration_us":15123,"upstream_us":14012}}"#,
                number / 60 % 60,
                number % 60,
                number % 200,
                number % 12,
            )
        })
        .collect()
}

fn replay(criterion: &mut Criterion) {
    let lines = lines();
    let policies = policy::shipped();
    let mut group = criterion.benchmark_group("replay");
    group.throughput(Throughput::Elements(RECORDS)).sample_size(10);
    group.bench_function("shipped policies, memory empty at first", |bencher| {
        bencher.iter_batched(
            || Replay::new(&policies, false).expect("the shipped policies load"),
            |mut replay| {
                lines.iter().for_each(|line| replay.line(Some(line.as_bytes())));
                assert_eq!(replay.tally().records, RECORDS);
                replay
            },
            criterion::BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, replay);
criterion_main!(benches);
