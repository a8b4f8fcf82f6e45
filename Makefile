# SPDX-License-Identifier: GPL-2.0
# The face of the project; the work is done by scripts/. Kbuild is what the kernel reads.

.PHONY: help run test test-long soak model mutate coverage memory bench bench-compare schedulers kernel modules deb deb-trial scxcore doc lint clean clean-cache

help:
	@echo 'rust_scx: the core of sched_ext in Rust, as a module for Linux 6.12'
	@echo
	@echo '  make run          from a bare Debian 12 or 13 to BPF schedulers on the Rust core'
	@echo '  make test         all tests, in guests, then those of scxcore and of the models; closes with what passed'
	@echo '  make test-long    the long ones: 10 s rings, 10 million kicks, 1000 loads on the debug kernel'
	@echo '  make soak HOURS=N schedulers, loads, hotplug and reloads at random, from a seed, for so long (1)'
	@echo '  make model        model checks of the protocols; "make test" runs them, too'
	@echo '  make mutate       breaks the module in over a hundred ways, which the tests have to notice; takes hours'
	@echo '  make coverage     which lines of the Rust code the tests execute, by file'
	@echo '  make memory       what kicks and waits take, measured at 64 to 8192 possible CPUs'
	@echo '  make bench        instructions, locks, IPIs and bytes of both cores, counted and compared'
	@echo '  make bench-compare BASE=REV   what changed in these figures since that revision'
	@echo '  make schedulers   BPF schedulers that people use, on both cores under load; prints a table'
	@echo '  make kernel       the patched kernel, into the cache; prints where'
	@echo '  make modules      rust-scx.ko, for that kernel; KDIR=TREE for another patched tree'
	@echo '  make deb          Debian packages of a patched kernel and of the module; CONFIG=FILE'
	@echo '  make deb-trial    these packages in a disk image of Debian 13: installed, booted, purged'
	@echo '  make scxcore      the terminal program that shows what the core does; prints where'
	@echo '  make doc          what rustdoc makes of the Rust code, private items included; prints where'
	@echo '  make lint         rustfmt, clippy, rustdoc, checkpatch, shellcheck, and what the module refers to'
	@echo '  make clean        removes what was built in this directory'
	@echo '  make clean-cache  removes the kernels and tools kept outside of it (they take long to build)'
	@echo
	@echo '  scripts/vm -- COMMAND   runs a command in a guest on the Rust core; see scripts/vm --help'
	@echo '  KERNEL_SRC=PATH         takes another 6.12.y, a tarball or a tree'
	@echo '  RUST_SCX_CACHE=DIR      keeps kernels and tools there, not in ~/.cache/rust_scx'

run:
	@scripts/run

test:
	@scripts/setup
	@scripts/scxcore >/dev/null && scripts/test --again && scripts/scxcore --test && scripts/models --if-changed

test-long:
	@scripts/setup
	@scripts/test --long

soak:
	@scripts/setup
	@scripts/soak --hours $(or $(HOURS),1) $(SEED:%=--seed %)

model:
	@scripts/setup
	@scripts/models

mutate:
	@scripts/setup
	@scripts/mutate

coverage:
	@scripts/setup
	@scripts/coverage

memory:
	@scripts/setup
	@scripts/memory

bench:
	@scripts/setup --bench
	@scripts/bench

bench-compare:
	@scripts/setup
	@scripts/bench-compare '$(BASE)'

schedulers:
	@scripts/setup --schedulers
	@scripts/schedulers

kernel:
	@scripts/setup
	@scripts/kernel patched

modules:
ifdef KDIR
	@scripts/modules '$(KDIR)'
else
	@kernel=$$(scripts/kernel patched) && scripts/modules "$$kernel/linux"
endif

deb:
	@scripts/setup --deb
	@scripts/deb $(CONFIG)

deb-trial:
	@scripts/setup --deb-trial
	@scripts/deb-trial $(CONFIG)

scxcore:
	@scripts/setup
	@scripts/scxcore

doc:
	@scripts/setup
	@scripts/doc

lint:
	@scripts/lint

# What .gitignore names; this needs no kernel tree.
clean:
	@git clean -fdXq
	@echo 'Kernels and tools stay in the cache; "make clean-cache" removes them.'

clean-cache:
	@bash -c '. scripts/lib.sh && cd "$$cache" && rm -rf kernel tools deb-trial run console kvm models mutants && say "Emptied $$cache"'
