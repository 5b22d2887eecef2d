//! The structs lie as in C, and calls give what they give there.
use normalize_sys::*;

#[test]
fn structs_lie_as_in_c() {
    let rust = layout_in_rust();
    assert!(rust.len() > 40, "{} fields", rust.len());
    for ((name, in_rust), in_c) in rust.iter().zip(layout_in_c()) {
        assert_eq!(in_rust, in_c, "{name}");
    }
}

#[test]
fn version() {
    let header = NRM_VERSION_MAJOR * 10000 + NRM_VERSION_MINOR * 100 + NRM_VERSION_PATCH;
    assert_eq!(unsafe { nrm_version() }, header);
    println!("normalize {NRM_VERSION_MAJOR}.{NRM_VERSION_MINOR}.{NRM_VERSION_PATCH}");
}

#[test]
fn described_call_and_its_gradient() {
    let x = [[1.0f32, 2.0, 3.0, 4.0], [40000.0, 40001.0, 40002.0, 40003.0]];
    let (mut y, mut dx) = ([[0.0f32; 4]; 2], [[9.0f32; 4]; 2]);
    let (mut mean, mut rstd) = ([0.0f64; 2], [0.0f64; 2]);
    let d = nrm_desc { n: 2, c: 4, kind: NRM_LAYER, eps: 1e-5, ..Default::default() };
    let mut a = nrm_args {
        x: x.as_ptr().cast(), y: y.as_mut_ptr().cast(), mean: mean.as_mut_ptr(),
        rstd: rstd.as_mut_ptr(), ..Default::default()
    };
    assert_eq!(unsafe { nrm_forward(&d, &a) }, NRM_OK);
    assert_eq!(y[0], y[1]);
    assert_eq!(mean, [2.5, 40001.5]);
    let dy = [[1.0f32; 4]; 2];
    a.dy = dy.as_ptr().cast();
    a.dx = dx.as_mut_ptr().cast();
    assert_eq!(unsafe { nrm_backward(&d, &a) }, NRM_OK);
    assert_eq!(dx, [[0.0; 4]; 2]);
}

#[test]
fn errors_have_sentences() {
    let d = nrm_desc { n: 2, c: 64, kind: NRM_GROUP, groups: 5, ..Default::default() };
    let mut text = [0 as std::os::raw::c_char; 160];
    let status = unsafe {
        nrm_explain(NRM_FORWARD, &d, &nrm_args::default(), text.as_mut_ptr(), text.len())
    };
    assert_eq!(status, NRM_ERR_DESC);
    let said = unsafe { std::ffi::CStr::from_ptr(text.as_ptr()) }.to_str().unwrap();
    assert_eq!(said, "groups is 5, which does not divide c = 64");
}
