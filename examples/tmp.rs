use image_origin::{codec::*, transform::*};
fn main(){ let a: Vec<String>=std::env::args().collect(); let b=std::fs::read(&a[1]).unwrap();
 let r=render(&b,&a[2].parse().unwrap(),Accepted::default(),Budget{pixels:300_000_000,memory:2_000_000_000},&Work::unbounded()).unwrap();
 eprintln!("{:?} {}x{} {} bytes {:?}", r.format,r.width,r.height,r.bytes.len(),r.stages); std::fs::write(&a[3],r.bytes).unwrap(); }
