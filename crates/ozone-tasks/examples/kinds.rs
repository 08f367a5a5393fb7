use ozone_tasks::*;
fn main() {
    let mut last = String::new();
    for k in families::all() {
        let f = k.family().to_string();
        if f != last {
            println!();
            print!("{f}: ");
            last = f;
        }
        print!("{}={} ", k.name.split('/').nth(1).unwrap(), k.weight);
    }
    println!();
}
