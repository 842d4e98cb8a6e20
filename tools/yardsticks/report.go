package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// print writes a line a yardstick, and what stands out below it.
func (m *measures) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	line := func(format string, args ...any) { fmt.Fprintf(t, format+"\n", args...) }
	most := func(of []named, n int) {
		for _, one := range sorted(of)[:min(n, len(of))] {
			line("\t%d\t%s", one.Value, one.Name)
		}
	}
	line("lines a file\tmedian %d, p90 %d, max %d\t%d files", quantile(m.Files, 50), quantile(m.Files, 90), quantile(m.Files, 100), len(m.Files))
	most(m.Files, 5)
	line("lines a function\tp50 %d, p90 %d, max %d\t%d functions, %d of more than 40 lines",
		quantile(m.Functions, 50), quantile(m.Functions, 90), quantile(m.Functions, 100), len(m.Functions), above(m.Functions, 40))
	most(m.Functions, 5)
	line("branching\tp90 %d, max %d\t%d of 20 or more", quantile(m.Branching, 90), quantile(m.Branching, 100), above(m.Branching, 19))
	most(m.Branching, 5)
	line("parameters\tmax %d\t%d functions with more than 7", quantile(m.Parameters, 100), above(m.Parameters, 7))
	most(m.Parameters, 3)
	methods := make([]named, 0, len(m.Methods))
	for name, n := range m.Methods {
		methods = append(methods, named{name, n})
	}
	line("methods a type\tmax %d\t%d types with more than 30", quantile(methods, 100), above(methods, 30))
	most(methods, 10)
	line("exported names documented\t%s\t%d of %d", percent(m.Documented, m.Exported), m.Documented, m.Exported)
	line("errors wrapped with %%w\t%s\t%d of %d", percent(m.Wrapped, m.Errors), m.Wrapped, m.Errors)
	line("go statements\t%.2f per 1000 lines\t%d", ratio(1000*m.Goroutines, m.Code), m.Goroutines)
	line("tests to code\t%.2f\t%d to %d lines", ratio(m.Tests, m.Code), m.Tests, m.Code)
	line("direct dependencies\t%d\t", m.Dependencies)
	return t.Flush()
}

// sorted has the greatest first.
func sorted(of []named) []named {
	return slices.SortedFunc(slices.Values(of), func(a, b named) int {
		return cmp.Or(cmp.Compare(b.Value, a.Value), cmp.Compare(a.Name, b.Name))
	})
}

// quantile is the smallest value that percent of all do not exceed; 0 of none.
func quantile(of []named, percent int) int {
	if len(of) == 0 {
		return 0
	}
	values := sorted(of)
	rank := (percent*len(values) + 99) / 100 // the nearest rank, from 1 on
	return values[len(values)-max(rank, 1)].Value
}

// above counts the values that exceed a limit.
func above(of []named, limit int) int {
	n := 0
	for _, one := range of {
		if one.Value > limit {
			n++
		}
	}
	return n
}

func ratio(a, b int) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

func percent(a, b int) string { return fmt.Sprintf("%.1f %%", 100*ratio(a, b)) }
