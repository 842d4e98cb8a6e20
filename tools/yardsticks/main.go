// Command yardsticks prints how long, branched and documented the Go code of a
// module is: the figures that the project holds its code against. The program fails
// only when it cannot read the code. A test of this package bounds the methods of a
// type, and the parameters and the branching of a function.
//
//	go run ./yardsticks [DIRECTORY]
//
// Code means what the product is built from. Test files, packages that import
// testing, generated files, testdata and modules inside the module are left out of
// every figure but the ratio of tests to code.
package main

import (
	"fmt"
	"io"
	"os"
)

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	if err := run(root, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "yardsticks:", err)
		os.Exit(1)
	}
}

// run measures the module in root and prints the figures to w.
func run(root string, w io.Writer) error {
	m, err := measure(root)
	if err != nil {
		return err
	}
	return m.print(w)
}
