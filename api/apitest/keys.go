package apitest

import (
	"fmt"
	"io/fs"
	"maps"
	"sync"
)

// Keys keeps certificates and keys in memory.
type Keys struct {
	mu    sync.Mutex
	texts map[string][]byte
}

// Put keeps texts under their digests.
func (k *Keys) Put(texts map[string][]byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.texts == nil {
		k.texts = map[string][]byte{}
	}
	maps.Copy(k.texts, texts)
	return nil
}

// Text is one of them.
func (k *Keys) Text(digest string) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	text, ok := k.texts[digest]
	if !ok {
		return nil, fmt.Errorf("%s: %w", digest, fs.ErrNotExist)
	}
	return text, nil
}
