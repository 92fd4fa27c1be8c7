package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
)

func main() {
	greeting := cmp.Or(os.Getenv("GREETING"), "Hello")
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "nobody to greet")
		os.Exit(3)
	}
	for _, name := range os.Args[1:] {
		fmt.Printf("%s, %s!\n", greeting, name)
	}
	bytes, _ := io.Copy(io.Discard, os.Stdin)
	fmt.Printf("%d bytes of standard input\n", bytes)
}
