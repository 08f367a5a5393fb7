//! Keeps freed memory in the process during training.
//!
//! A step takes and frees some hundred buffers of megabytes. By default glibc hands each back to
//! the kernel, and on two cores a third of the time went into page faults and TLB shootdowns.

/// Tells glibc to reuse freed memory. Elsewhere the allocator stays as it is.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "glibc's knobs have no safe binding")]
pub fn keep_freed() {
    // SAFETY: mallopt takes two integers and touches only the allocator's own settings.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 30);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
        libc::mallopt(libc::M_TOP_PAD, 64 << 20);
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn keep_freed() {}
