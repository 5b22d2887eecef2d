//! The declarations of normalize.h, made from the header by build.rs, and its compiled code.
//!
//! ```
//! use normalize_sys::*;
//! let x = [1.0f32, 2.0, 3.0, 4.0];
//! let mut y = [0.0f32; 4];
//! let none = core::ptr::null();
//! let status = unsafe { nrm_layernorm(y.as_mut_ptr(), x.as_ptr(), 1, 4, none, none, 1e-5) };
//! assert_eq!((status, y[0]), (NRM_OK, -1.3416355));
//! ```
//!
//! `nrm_desc::default()` and `nrm_args::default()` are zero. What the fields mean: normalize.h.
#![allow(non_camel_case_types)]

use std::os::raw::{c_char, c_int, c_void};

/// An enumeration of C without negative values: unsigned by gcc and clang, signed by MSVC.
#[cfg(target_env = "msvc")]
pub type c_enum = c_int;
#[cfg(not(target_env = "msvc"))]
pub type c_enum = std::os::raw::c_uint;

include!(concat!(env!("OUT_DIR"), "/declarations.rs"));
