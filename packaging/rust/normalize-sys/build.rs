//! Compiles normalize.h and writes its declarations in Rust, read from the header itself: structs,
//! enumerations and functions. So there is nothing to keep in step, and no bindgen. What C says of
//! sizes and offsets goes along as a table, which tests/calls.rs compares.
//!
//! It runs `CC` (else cc, or cl) and `AR` (else ar, or lib), with `CFLAGS`.
use std::{env, fmt::Write, fs, path::Path, path::PathBuf, process::Command};

fn without_comments(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(start) = rest.find("/*") {
        out.push_str(&rest[..start]);
        out.push(' ');
        rest = rest[start..].split_once("*/").map_or("", |(_, after)| after);
    }
    out + rest
}

/// `const void *`, `nrm_kind`, ... as Rust has it; `stars` are those of the declarator.
fn rust_type(c: &str, stars: usize) -> String {
    let is_const = c.contains("const");
    let words: Vec<&str> =
        c.split_whitespace().filter(|w| !matches!(*w, "const" | "struct" | "NRM_API")).collect();
    let base = match words.join(" ").as_str() {
        "void" => "c_void".into(),
        "size_t" => "usize".into(),
        "double" => "f64".into(),
        "float" => "f32".into(),
        "int" => "c_int".into(),
        "char" => "c_char".into(),
        "int8_t" => "i8".into(),
        "uint16_t" => "u16".into(),
        other => other.to_string(),
    };
    let pointer = if is_const { "*const " } else { "*mut " };
    pointer.repeat(stars) + &base
}

/// "size_t n" or "const float *gamma" or "nrm_moments *": type and name.
fn declared(text: &str) -> (String, String) {
    let text = text.trim();
    let stars = text.matches('*').count();
    let flat = text.replace('*', " ");
    let words: Vec<&str> = flat.split_whitespace().collect();
    let named = words.len() > 1 && !matches!(words[words.len() - 2], "const" | "struct");
    let (kind, name) = words.split_at(words.len() - named as usize);
    (rust_type(&kind.join(" "), stars), name.concat())
}

fn bodies<'a>(text: &'a str, what: &str) -> Vec<(String, &'a str)> {
    text.split(&format!("typedef {what} ")).skip(1).map(|part| {
        let (name, rest) = part.split_once('{').expect("a body");
        (name.trim().to_string(), rest.split_once("\n} ").map_or_else(
            || rest.split_once('}').expect("an end").0, |(body, _)| body))
    }).collect()
}

fn enums(text: &str, out: &mut String) {
    for (name, body) in bodies(text, "enum") {
        let body = body.split('}').next().unwrap_or("");
        writeln!(out, "pub type {name} = c_enum;").unwrap();
        let words = body.split(',').map(|w| w.split('=').next().unwrap_or("").trim());
        for (value, word) in words.filter(|w| !w.is_empty()).enumerate() {
            writeln!(out, "pub const {word}: {name} = {value};").unwrap();
        }
    }
}

const RUN: &str = "pub run: Option<unsafe extern \"C\" fn(*mut c_void, usize, \
    Option<unsafe extern \"C\" fn(*mut c_void, usize)>, *mut c_void)>,";

/// The structs, for Rust; and a list of (struct, field) for C.
fn structs(text: &str, out: &mut String) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    for (name, body) in bodies(text, "struct") {
        writeln!(out, "#[repr(C)]\n#[derive(Clone, Copy, Debug)]\npub struct {name} {{").unwrap();
        for line in body.split(';').map(str::trim).filter(|line| !line.is_empty()) {
            if line.contains("(*run)") {
                writeln!(out, "    {RUN}").unwrap();
                fields.push((name.clone(), "run".into()));
                continue;
            }
            let mut parts = line.split(',');
            let first = parts.next().unwrap();
            let kind = first.trim_end_matches(|c: char| c.is_alphanumeric() || c == '_');
            let kind = kind.replace('*', " ");
            for part in std::iter::once(&first[kind.len()..]).chain(parts) {
                let stars = part.matches('*').count() + if part == &first[kind.len()..] {
                    first[..kind.len()].matches('*').count()
                } else { 0 };
                let field = part.trim_matches(|c: char| c == '*' || c.is_whitespace());
                writeln!(out, "    pub {field}: {},", rust_type(&kind, stars)).unwrap();
                fields.push((name.clone(), field.to_string()));
            }
        }
        writeln!(out, "}}\nimpl Default for {name} {{\n    /// Zero, which is every default.\n    \
            fn default() -> Self {{ unsafe {{ core::mem::zeroed() }} }}\n}}").unwrap();
    }
    fields
}

fn functions(text: &str, out: &mut String) {
    writeln!(out, "extern \"C\" {{").unwrap();
    for part in text.split("\nNRM_API ").skip(1) {
        let (head, rest) = part.split_once('(').expect("arguments");
        let arguments = rest.split_once(");").expect("an end").0;
        let (returned, name) = declared(head);
        let mut list = Vec::new();
        for (i, argument) in arguments.split(',').enumerate() {
            if argument.trim() == "void" { continue }
            let (kind, name) = declared(argument);
            list.push(format!("{}: {kind}", if name.is_empty() { format!("a{i}") } else { name }));
        }
        let returned = if returned == "c_void" { String::new() } else { format!(" -> {returned}") };
        writeln!(out, "    pub fn {name}({}){returned};", list.join(", ")).unwrap();
    }
    writeln!(out, "}}").unwrap();
}

/// What the compiler of C says: (struct.field, offset), in an array that Rust can read.
fn layout(fields: &[(String, String)], code: &mut String, out: &mut String) {
    writeln!(code, "const size_t nrm_sys_layout[] = {{").unwrap();
    writeln!(out, "#[doc(hidden)]\npub fn layout_in_rust() -> Vec<(&'static str, usize)> {{ vec![")
        .unwrap();
    let mut last = "";
    for (name, field) in fields {
        if name != last {
            writeln!(code, "sizeof({name}),").unwrap();
            writeln!(out, "(\"{name}\", core::mem::size_of::<{name}>()),").unwrap();
            last = name;
        }
        writeln!(code, "offsetof({name}, {field}),").unwrap();
        writeln!(out, "(\"{name}.{field}\", {{ let s = core::mem::MaybeUninit::<{name}>::uninit(); \
            let p = s.as_ptr(); unsafe {{ core::ptr::addr_of!((*p).{field}) as usize - p as usize \
            }} }}),").unwrap();
    }
    writeln!(code, "}};").unwrap();
    writeln!(out, "] }}\n#[doc(hidden)]\npub fn layout_in_c() -> &'static [usize] {{ extern \"C\" \
        {{ static nrm_sys_layout: [usize; {0}]; }} unsafe {{ &nrm_sys_layout }} }}",
        fields.len() + fields.iter().map(|f| &f.0).collect::<std::collections::BTreeSet<_>>().len())
        .unwrap();
}

fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(status.success(), "{command:?} fails");
}

fn compile(source: &Path, include: &Path, out: &Path) {
    let msvc = env::var("CARGO_CFG_TARGET_ENV").as_deref() == Ok("msvc");
    let tool = |name: &str, unix: &str, windows: &str| env::var(name)
        .unwrap_or_else(|_| if msvc { windows } else { unix }.to_string());
    let object = out.join("normalize.o");
    let mut cc = Command::new(tool("CC", "cc", "cl"));
    if msvc {
        cc.args(["/nologo", "/O2", "/c"]).arg(format!("/Fo{}", object.display()));
    } else {
        cc.args(["-O2", "-fPIC", "-c", "-o"]).arg(&object);
    }
    cc.args(env::var("CFLAGS").unwrap_or_default().split_whitespace());
    if env::var("CARGO_FEATURE_NO_SIMD").is_ok() {
        cc.arg("-DNRM_NO_SIMD");
    }
    run(cc.arg("-I").arg(include).arg(source));
    if msvc {
        run(Command::new(tool("AR", "ar", "lib")).arg("/nologo")
            .arg(format!("/OUT:{}", out.join("normalize.lib").display())).arg(&object));
    } else {
        let archive = out.join("libnormalize.a");
        let _ = fs::remove_file(&archive);
        run(Command::new(tool("AR", "ar", "lib")).arg("crs").arg(archive).arg(&object));
    }
}

fn main() {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR").unwrap());
    let out = PathBuf::from(env::var("OUT_DIR").unwrap());
    // Of a release, in the crate; in a tree whose links did not survive, at its top.
    let header = [here.join("normalize.h"), here.join("../../../normalize.h")].into_iter()
        .find(|p| fs::metadata(p).map_or(false, |m| m.len() > 1000)).expect("normalize.h");
    println!("cargo:rerun-if-changed={}", header.display());
    println!("cargo:rerun-if-changed=build.rs");
    for name in ["CC", "AR", "CFLAGS"] { println!("cargo:rerun-if-env-changed={name}") }
    let text = fs::read_to_string(&header).expect("normalize.h");
    let from = text.find("#ifndef NORMALIZE_H").expect("declarations");
    let to = text.find("#endif /* NORMALIZE_H */").expect("their end");
    let text = without_comments(&text[from..to]);
    let mut rust = String::new();
    let mut code = "#define NORMALIZE_IMPLEMENTATION\n#include \"normalize.h\"\n".to_string();
    enums(&text, &mut rust);
    let fields = structs(&text, &mut rust);
    functions(&text, &mut rust);
    layout(&fields, &mut code, &mut rust);
    for name in ["MAJOR", "MINOR", "PATCH"] {
        let line = text.split(&format!("NRM_VERSION_{name} ")).nth(1).expect("a version");
        writeln!(rust, "pub const NRM_VERSION_{name}: c_int = {};",
            line.split_whitespace().next().unwrap()).unwrap();
    }
    fs::write(out.join("declarations.rs"), rust).unwrap();
    let source = out.join("normalize_sys.c");
    fs::write(&source, code).unwrap();
    compile(&source, &fs::canonicalize(&header).unwrap().parent().unwrap(), &out);
    println!("cargo:rustc-link-search=native={}", out.display());
    println!("cargo:rustc-link-lib=static=normalize");
    if env::var("CARGO_CFG_TARGET_FAMILY").as_deref() == Ok("unix") {
        println!("cargo:rustc-link-lib=m");
    }
}
