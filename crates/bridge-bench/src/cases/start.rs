//! From the start of the process to its first answer, and the memory it holds while nothing happens.

use super::Bench;
use crate::http::{Connection, request};
use crate::report::Goal;
use crate::service::{Program, Service, command};
use crate::stats::median;
use crate::time::now;
use crate::usage::resident_mb;
use std::time::Duration;

/// How long nothing happens before the memory is read.
const IDLE: Duration = Duration::from_secs(2);

pub(super) async fn measure(bench: &mut Bench<'_>, service: Service) -> anyhow::Result<()> {
    service.program.stop().await?;
    let (mut starts_ms, mut idle_mb) = (Vec::new(), Vec::new());
    for _ in 0..bench.args.rounds {
        let begin = now();
        let program = Program::start(command(&bench.args.bridgecore, &service.database)?).await?;
        let mut connection = Connection::open(program.address).await?;
        let ready = connection.call(&request("GET", "/health/ready", &[], b"")).await?;
        let first_answer = now() - begin;
        anyhow::ensure!(ready.status == 200, "the first answer was {}", ready.status);
        starts_ms.push(first_answer.as_secs_f64() * 1_000.0);
        tokio::time::sleep(IDLE).await;
        idle_mb.push(resident_mb(program.pid)?);
        program.stop().await?;
    }
    bench.report.goal(Goal::at_most("start to first answer, ms", 200.0, median(starts_ms)));
    bench.report.goal(Goal::at_most("idle memory (resident), MB", 40.0, median(idle_mb)));
    Ok(())
}
