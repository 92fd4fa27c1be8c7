const std = @import("std");

pub fn main(init: std.process.Init) !u8 {
    var buffer: [4096]u8 = undefined;
    var stdout = std.Io.File.stdout().writer(init.io, &buffer);
    const args = try init.minimal.args.toSlice(init.arena.allocator());
    const greeting = init.environ_map.get("GREETING") orelse "Hello";
    if (args.len < 2) {
        std.debug.print("nobody to greet\n", .{});
        return 3;
    }
    for (args[1..]) |name| try stdout.interface.print("{s}, {s}!\n", .{ greeting, name });
    var input: [4096]u8 = undefined;
    var stdin = std.Io.File.stdin().reader(init.io, &input);
    const bytes = try stdin.interface.discardRemaining();
    try stdout.interface.print("{d} bytes of standard input\n", .{bytes});
    try stdout.interface.flush();
    return 0;
}
