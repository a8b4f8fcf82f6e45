// SPDX-License-Identifier: GPL-2.0

//! The module's own, as far as tasks change hands there.

#[path = "../../../../dispatch/consume.rs"]
mod consume;
#[path = "../../../../dispatch/finish.rs"]
mod finish;
#[path = "../../../../dispatch/fit.rs"]
mod fit;

use crate::{
    c_side::machine,
    sched::{
        dsp_ctx::DspCtx,
        dsq::Dsq,
        rq::{Locked, Rq, ThisRq}, //
    },
};

pub(crate) fn flush(this_rq: &ThisRq<'_>, rq: &mut Rq<Locked>, ctx: &mut DspCtx<'_>) {
    finish::flush(this_rq, rq, ctx);
}

pub(crate) fn consume<'h>(this_rq: &'h ThisRq<'_>, rq: &mut Rq<Locked>, dsq: &'h Dsq) -> bool {
    machine().watch_lists();
    consume::consume(this_rq, rq, dsq, || true)
}
