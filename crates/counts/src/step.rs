//! One transfer's whole course through the machine, to its completion.

use crate::{Bench, Operation, sample};
use anyhow::{Result, ensure};
use domain::message::Reply;
use domain::profile::Profile;
use domain::serial::Role;
use domain::transfer::{
    Action, Event, LegReport, Question, StepContext, Transfer, attribute, step,
};
use std::hint::black_box;

pub(crate) fn benches() -> Vec<Bench> {
    vec![Bench {
        name: "step.completed",
        what: "a transfer: woken, debited, credited, with its instructions",
        iterations: 1000,
        prepare: |_| complete(),
    }]
}

fn complete() -> Result<Operation> {
    let (intent, profile, day) = (sample::intent(4_711)?, Profile::default(), sample::day()?);
    Ok(Box::new(move || {
        let ground = StepContext {
            debit: &profile,
            credit: &profile,
            debit_day: Some(day),
            credit_day: Some(day),
            patience: 10,
            behind: false,
            debit_held: false,
            credit_held: false,
            claimed: false,
        };
        let mut transfer = Transfer::accepted(black_box(&intent).clone());
        let mut next = step(&mut transfer, &Event::Wake, &ground)?.action;
        for role in [Role::Debit, Role::Credit] {
            ensure!(next == Action::Send(role), "{next:?} instead of the {role}");
            black_box(transfer.posting(role));
            let reply = sample::posted(&transfer, role);
            let speaker = transfer.place(role).counter.clone();
            let words = attribute(&transfer, &speaker, Reply::Posting(reply))?;
            let told = LegReport::heard(&transfer, words, &profile, Question::Look);
            next = step(&mut transfer, &Event::Told(role, told), &ground)?.action;
        }
        ensure!(next == Action::Finish, "{next:?} instead of the end");
        black_box(transfer);
        Ok(())
    }))
}
