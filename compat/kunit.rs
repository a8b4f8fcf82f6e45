// SPDX-License-Identifier: GPL-2.0

//! UPSTREAM: rust/kernel/kunit.rs and the attribute `#[kunit_tests]` of rust/macros, 6.15
//!
//! Unit tests, which KUnit runs when the module is inserted, if `kunit.enable` is on.
//!
//! ```ignore
//! #[cfg(CONFIG_KUNIT)]
//! mod tests {
//!     use super::*;
//!     use crate::compat::kunit::{
//!         assert_eq,
//!         kunit_tests, //
//!     };
//!
//!     kunit_tests!(rust_scx_sums: [small]);
//!
//!     fn small() {
//!         assert_eq!(1 + 1, 2);
//!     }
//! }
//! ```
//!
//! To move to such a kernel, `#[kunit_tests(rust_scx_sums)]` goes before the module, and `#[test]`
//! before each function.
//!
//! C header: [`include/kunit/test.h`](srctree/include/kunit/test.h)

use core::{
    cell::UnsafeCell,
    fmt,
    mem::zeroed,
    ptr::addr_of, //
};
use kernel::{
    bindings,
    c_str,
    ffi::{
        c_char,
        c_int,
        c_void, //
    },
    prelude::*,
    str::CStr, //
};

/// Declares a suite: its name, and the functions that are its tests.
macro_rules! kunit_tests {
    ($suite:ident: [$($test:ident),+ $(,)?]) => {
        const _: () = {
            use $crate::compat::kunit::{
                case,
                kunit,
                Cases,
                Suite,
                END, //
            };
            use ::kernel::c_str;

            static CASES: Cases<{ [$(stringify!($test)),+].len() + 1 }> = Cases::new([
                $({
                    extern "C" fn run(_test: *mut kunit) {
                        $test();
                    }
                    case(c_str!(stringify!($test)), run)
                },)+
                END,
            ]);
            static SUITE: Suite = Suite::new(stringify!($suite), &CASES);

            // Where the kernel finds it. The lint is about sections that have a meaning.
            #[allow(unsafe_code)]
            #[used]
            #[link_section = ".kunit_test_suites"]
            static ENTRY: &Suite = &SUITE;
        };
    };
}

/// Ends a test, which has failed, unless the condition is true.
macro_rules! kunit_assert {
    ($condition:expr $(,)?) => {
        if !$condition {
            return $crate::compat::kunit::fail(
                ::kernel::c_str!(file!()),
                line!(),
                format_args!("Expected {}, which is false", stringify!($condition)),
            );
        }
    };
}

/// The same unless the two are equal.
macro_rules! kunit_assert_eq {
    ($left:expr, $right:expr $(,)?) => {
        match (&$left, &$right) {
            (left, right) => {
                if *left != *right {
                    return $crate::compat::kunit::fail(
                        ::kernel::c_str!(file!()),
                        line!(),
                        format_args!(
                            "Expected {} == {}, but they are {:?} and {:?}",
                            stringify!($left),
                            stringify!($right),
                            left,
                            right,
                        ),
                    );
                }
            }
        }
    };
}

pub(crate) use bindings::kunit;
pub(crate) use kunit_assert as assert;
pub(crate) use kunit_assert_eq as assert_eq;
pub(crate) use kunit_tests;

/// What ends the list of a suite's tests.
// SAFETY: All zeroes are valid.
pub(crate) const END: bindings::kunit_case = unsafe { zeroed() };

/// A test.
pub(crate) const fn case(
    name: &'static CStr,
    run: extern "C" fn(*mut kunit),
) -> bindings::kunit_case {
    bindings::kunit_case {
        run_case: Some(run),
        name: name.as_char_ptr(),
        module_name: c_str!("rust_scx").as_char_ptr().cast_mut(),
        ..END
    }
}

/// The tests of a suite, and one that ends the list. KUnit writes to them.
#[repr(transparent)]
pub(crate) struct Cases<const N: usize>(UnsafeCell<[bindings::kunit_case; N]>);

// SAFETY: KUnit alone accesses them, one task at a time.
unsafe impl<const N: usize> Sync for Cases<N> {}

impl<const N: usize> Cases<N> {
    pub(crate) const fn new(cases: [bindings::kunit_case; N]) -> Self {
        Self(UnsafeCell::new(cases))
    }
}

/// A suite. KUnit writes to it.
#[repr(transparent)]
pub(crate) struct Suite(UnsafeCell<bindings::kunit_suite>);

// SAFETY: As for `Cases`.
unsafe impl Sync for Suite {}

impl Suite {
    pub(crate) const fn new<const N: usize>(name: &str, cases: &'static Cases<N>) -> Self {
        // SAFETY: All zeroes are valid.
        let mut suite: bindings::kunit_suite = unsafe { zeroed() };
        let mut i = 0;
        // Evaluated by the compiler, which would complain of a name that is too long.
        while i < name.len() {
            suite.name[i] = name.as_bytes()[i] as c_char;
            i += 1;
        }
        suite.test_cases = cases.0.get().cast();
        Self(UnsafeCell::new(suite))
    }
}

/// Has the test that this task runs fail, and says why.
#[cold]
pub(crate) fn fail(file: &'static CStr, line: u32, why: fmt::Arguments<'_>) {
    // SAFETY: May be called in any task.
    let test = unsafe { bindings::kunit_get_current_test() };
    if test.is_null() {
        pr_err!("{file}:{line}: {why}\n");
        return;
    }

    let location = bindings::kunit_loc {
        line: line as c_int,
        file: file.as_char_ptr(),
    };
    let assertion = bindings::kunit_assert {};
    // SAFETY: The test is this task's. The rest outlives the call, and `%pA` is for `why`.
    unsafe {
        bindings::__kunit_do_failed_assertion(
            test,
            &location,
            bindings::kunit_assert_type_KUNIT_EXPECTATION,
            &assertion,
            Some(bindings::kunit_fail_assert_format),
            c_str!("    %pA").as_char_ptr(),
            addr_of!(why).cast::<c_void>(),
        );
    }
}
