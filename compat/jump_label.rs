// SPDX-License-Identifier: GPL-2.0

//! UPSTREAM: rust/kernel/jump_label.rs, 6.13
//!
//! Branches that cost a NOP until somebody wants them taken: static keys.
//!
//! C header: [`include/linux/jump_label.h`](srctree/include/linux/jump_label.h)

/// Whether the static key at `offset` in the static `key` is enabled; most often it is not.
///
/// # Safety
///
/// There is a `struct static_key` that was initialized as false.
macro_rules! static_branch_unlikely {
    ($key:path, $offset:expr) => {
        'branch: {
            #[cfg(all(CONFIG_JUMP_LABEL, CONFIG_X86_64, rust_scx_asm_goto))]
            {
                // A NOP of the length of a jump, and where the kernel finds it to make it one.
                ::core::arch::asm!(
                    "2: .byte 0x0f, 0x1f, 0x44, 0x00, 0x00",
                    ".pushsection __jump_table, \"aw\"",
                    ".balign 8",
                    ".long 2b - ., {taken} - .",
                    ".quad {key} + {offset} - .",
                    ".popsection",
                    taken = label { break 'branch true },
                    key = sym $key,
                    offset = const $offset,
                    options(nomem, nostack, preserves_flags),
                );
                break 'branch false;
            }
            #[cfg(not(all(CONFIG_JUMP_LABEL, CONFIG_X86_64, rust_scx_asm_goto)))]
            {
                // The count of those who want it comes first.
                let enabled = ::core::ptr::addr_of!($key).byte_add($offset).cast::<i32>();
                break 'branch enabled.read_volatile() > 0;
            }
        }
    };
}

pub(crate) use static_branch_unlikely;
