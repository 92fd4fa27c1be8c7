const greeting = process.env.has("GREETING") ? process.env.get("GREETING") : "Hello";
const names = process.argv.slice(1);
if (names.length == 0) {
  process.stderr.write("nobody to greet\n");
  process.exit(3);
}
for (let i = 0; i < names.length; i++) console.log(`${greeting}, ${names[i]}!`);

const piece = new ArrayBuffer(4096);
let bytes = 0;
let read = process.stdin.read(piece);
while (read > 0) {
  bytes += read;
  read = process.stdin.read(piece);
}
console.log(`${bytes} bytes of standard input`);
