package haproxy

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"thalassa/internal/safefile"
)

func (c *configFiles) lastGood() string { return c.cfg.ConfigPath + ".last-good" }

// keepLastGood stores a configuration that a worker has started with. It logs an error,
// which does not undo the success.
func (c *configFiles) keepLastGood(ctx context.Context, config []byte) {
	if c.cfg.disk.hasContent(c.lastGood(), config) {
		return
	}
	if err := c.cfg.disk.replace(c.lastGood(), config); err != nil {
		c.logger.WarnContext(ctx, "keeping the last good configuration failed", "path", c.lastGood(), "error", err)
	}
}

// keepOriginal copies a file that this package has not written to ConfigPath +
// ".before-thalassa". That happens on the first use on a machine.
func (c *configFiles) keepOriginal() error {
	original := c.cfg.ConfigPath + ".before-thalassa"
	for _, ours := range []string{c.lastGood(), original} {
		if is, err := c.cfg.disk.exists(ours); is || err != nil {
			return err
		}
	}
	content, err := c.read(c.cfg.ConfigPath)
	if errors.Is(err, safefile.ErrNotRegular) {
		return nil // it has no content to keep
	}
	if errors.Is(err, fs.ErrNotExist) || strings.HasPrefix(description(content), descriptionPrefix) {
		return nil // there is none, or an agent wrote it for a later start
	}
	if err != nil {
		return err
	}
	return c.cfg.disk.replace(original, content)
}

// keepInstalled is keepLastGood of the file on disk.
func (c *configFiles) keepInstalled(ctx context.Context) {
	if config, err := c.read(c.cfg.ConfigPath); err == nil {
		c.keepLastGood(ctx, config)
	}
}
