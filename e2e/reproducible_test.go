package e2e_test

import (
	"bytes"
	"os"
	"testing"
	"time"
)

// Two packages of the same sources have equal bytes, whenever and wherever they are built.
// SHA256SUMS of a release can be compared with one of somebody else.
func TestPackagesAreReproducible(t *testing.T) {
	var packages [2][]byte
	for i := range packages {
		begin := time.Now()
		path := debianPackages(t, nil, "1.2.3")[0]
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		packages[i] = data
		<-time.After(time.Until(begin.Truncate(time.Second).Add(time.Second))) // the next one begins in another second
	}
	if !bytes.Equal(packages[0], packages[1]) {
		t.Errorf("packages of %d and %d bytes differ", len(packages[0]), len(packages[1]))
	}
}
