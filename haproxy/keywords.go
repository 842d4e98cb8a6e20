package haproxy

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"thalassa/internal/head"
)

// keywords are the keywords that the installed HAProxy accepts in haproxy.cfg. HAProxy
// lists its keywords itself (-dK, since 2.6); a distribution may patch some of them.
type keywords struct {
	mu      sync.Mutex
	version string // of the program that was asked last; empty: none was
	hashKey bool
}

// learn asks the configured program for its keywords, once for each version. Without an
// answer, what is known stays.
func (k *keywords) learn(ctx context.Context, pr *program, path, version string) {
	k.mu.Lock()
	isKnown := k.version == version
	k.mu.Unlock()
	if isKnown || version == "" {
		return
	}
	list, err := pr.keywordsOf(ctx, path)
	if err != nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.version, k.hashKey = version, strings.Contains(list, " hash-key ")
}

// keywordsOf is the list of the keywords of haproxy.cfg, about 20 KB.
func (pr *program) keywordsOf(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	cmd := pr.withUser(pr.plain(ctx, path, "-dKcfg", "-q", "-c", "-f", "/dev/null"))
	out := head.New(maxOutput)
	cmd.Stdout = out
	err := cmd.Run() // exits 2 for an empty file, after the list
	if !strings.Contains(out.String(), " agent-check") {
		return "", fmt.Errorf("its answer to -dKcfg names no option of servers: %w", err)
	}
	return out.String(), nil
}

// HashKeys reports whether server lines may have the option "hash-key". The answer is that of the
// last check, start or reload; it does not block.
func (p *Process) HashKeys() bool {
	k := &p.program.keywords
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.hashKey
}

// LearnKeywords asks the program for its keywords before anything else does. The error
// is a *lb.UnavailableError for a program that is not HAProxy.
func (p *Process) LearnKeywords(ctx context.Context) error {
	if err := p.program.confirm(ctx); err != nil {
		return fmt.Errorf("asking haproxy for its keywords: %w", err)
	}
	return nil
}
