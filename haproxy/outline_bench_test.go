package haproxy_test

import (
	"fmt"
	"strings"
	"testing"

	"thalassa/haproxy"
)

// BenchmarkOutline reads a configuration of ten thousand servers, as each reload does.
func BenchmarkOutline(b *testing.B) {
	var text strings.Builder
	for i := range 100 {
		fmt.Fprintf(&text, "backend b%d\n    mode http\n    balance roundrobin\n    default-server ssl verify none\n", i)
		for j := range 100 {
			fmt.Fprintf(&text, "    server s%d 127.0.%d.%d:80 check inter 2000ms weight 1\n", j+1, i, j)
		}
	}
	config := []byte(text.String())
	b.ReportAllocs()
	for b.Loop() {
		if n := haproxy.CountServers(config); n != 10000 {
			b.Fatal(n)
		}
	}
}
