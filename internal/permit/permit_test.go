package permit_test

import (
	"context"
	"errors"
	"testing"

	"thalassa/internal/permit"
)

func TestARightIsAskedForEachTime(t *testing.T) {
	if permit.IsLimited(t.Context()) || permit.Check(t.Context()) != nil {
		t.Error("a context without a limit has one")
	}
	var lost error
	ctx := permit.With(t.Context(), func() error { return lost })
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := permit.Check(inner); err != nil || !permit.IsLimited(inner) {
		t.Errorf("with the right: %v", err)
	}
	lost = errors.New("revoked")
	if err := permit.Check(context.WithoutCancel(inner)); !errors.Is(err, lost) {
		t.Errorf("without the right: %v", err)
	}
}
