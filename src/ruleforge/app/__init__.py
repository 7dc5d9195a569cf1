"""The library's face: one function for each thing a user can do. Surfaces call these and nothing below.

| function | does |
|---|---|
| `forge.forge` | sources to validated rules or reasons for refusing |
| `scan.scan` | recorded requests against a folder of rules |
| `event_scan.scan_events` | logs of any kind against rules that may count and order events |
| `detections.load_detections` | our own rules for other events and for counted requests |
| `trials.run_tests` | the tests beside rules |
| `lint.lint_rules` | what can be said against rules without traffic |
| `explain.explain_request` | why a rule holds for a request, condition by condition |
| `show.show_rule` | one rule with its papers |
| `backgrounds.background_build` | a table of the user's own ordinary traffic |
| `bench.bench_quality` | what rules are worth on recorded corpora, with the cause of every miss |
| `doctor.doctor` | what is installed, missing, set |
| `demo.demo` | all of it on our own examples |

They live in modules of their own, so that a caller pays only for what it uses.
"""
