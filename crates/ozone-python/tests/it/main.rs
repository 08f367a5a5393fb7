use ozone_python::*;
#[tokio::test]
async fn smoke() {
    let env = PythonEnv::find(None).unwrap();
    println!("{env:?}");
    let t = std::time::Instant::now();
    let pool = KernelPool::new(PoolConfig::new(env)).unwrap();
    println!("{} {:?}", pool.capabilities(), t.elapsed());
    let mut kernel = pool.take(None).await.unwrap();
    println!("taken {:?}", t.elapsed());
    let o = ExecuteOptions::default();
    for code in [
        "print(1)",
        "1+1",
        "import matplotlib.pyplot as plt; plt.plot([1,2]); plt.show()",
        "1/0",
        "x=1\nopen('out.csv','w').write('a')\nprint('hi')",
        "import os; os.system('echo sys')",
        "open('/proc/self/status').read()",
        "import pandas as pd; pd.DataFrame({'a':[1,2]})",
        "input()",
        "exit(3)",
        "x",
        "import sys; sys.exit(3)",
        "bytearray(10**11)",
        "list(range(10**6))",
        "raise ValueError('x'*5000000)",
        "a=[]\nwhile True: a.append(bytearray(10**7))",
        "del a",
        "x",
        "os._exit(7)",
        "x",
        "print(open('out.csv').read())",
    ] {
        let t = std::time::Instant::now();
        let e = kernel.execute(code, &o, |_| {}).await.unwrap();
        println!("--- {code} {:?}\n{}\n{:?}", t.elapsed(), e.to_model_text(500), e.status);
    }
}
