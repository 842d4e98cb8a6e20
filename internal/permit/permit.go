// Package permit passes the rights of a caller along in a context, so that code that works for the
// caller can check them again. A caller may lose a right while its request waits.
package permit

import (
	"context"

	"thalassa/lb"
)

// key and judgeKey are the keys of the two functions in a context.
type (
	key      struct{}
	judgeKey struct{}
)

// With gives work done under the context a right that may end. ask returns nil while the
// caller has the right, else the error to answer with. It may be called from any goroutine.
func With(ctx context.Context, ask func() error) context.Context {
	return context.WithValue(ctx, key{}, ask)
}

// IsLimited reports whether the right to work under the context may end.
func IsLimited(ctx context.Context) bool { return ctx.Value(key{}) != nil }

// Check returns nil while the caller has the right, else the error to answer with. Ask
// after every wait, and right before something changes.
func Check(ctx context.Context) error {
	if ask, ok := ctx.Value(key{}).(func() error); ok {
		return ask()
	}
	return nil
}

// WithJudge gives work done under the context a right to some changes only. judge returns
// nil for a change that the caller may make, else the error to answer with. It may be
// called from any goroutine.
func WithJudge(ctx context.Context, judge func(before, next lb.Intent) error) context.Context {
	return context.WithValue(ctx, judgeKey{}, judge)
}

// Judge returns nil if the caller may change one intent into another, else the error to
// answer with. Ask it where the change is made, with what it really changes.
func Judge(ctx context.Context, before, next lb.Intent) error {
	if judge, ok := ctx.Value(judgeKey{}).(func(before, next lb.Intent) error); ok {
		return judge(before, next)
	}
	return nil
}
