package haproxy

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
)

func (c *configFiles) lastGood() string { return c.cfg.ConfigPath + ".last-good" }

// keepLastGood notes that a running worker has proven config. That it cannot be kept
// does not undo the success.
func (c *configFiles) keepLastGood(ctx context.Context, config []byte) {
	if hasContent(c.lastGood(), config) {
		return
	}
	if err := replace(c.lastGood(), config); err != nil {
		c.logger.WarnContext(ctx, "last good configuration not kept", "path", c.lastGood(), "error", err)
	}
}

// keepOriginal copies a file that somebody else wrote, as on the first use of
// this package on a machine, to ConfigPath + ".before-thalassa".
func (c *configFiles) keepOriginal() error {
	original := c.cfg.ConfigPath + ".before-thalassa"
	for _, ours := range []string{c.lastGood(), original} {
		if _, err := os.Stat(ours); err == nil {
			return nil
		}
	}
	content, err := c.read(c.cfg.ConfigPath)
	if errors.Is(err, fs.ErrNotExist) || strings.HasPrefix(description(content), descriptionPrefix) {
		return nil // nobody's, or put there for a start that has not come yet
	}
	if err != nil {
		return err
	}
	return replace(original, content)
}

// keepInstalled notes that a worker has started with the file on disk.
func (c *configFiles) keepInstalled(ctx context.Context) {
	if config, err := c.read(c.cfg.ConfigPath); err == nil {
		c.keepLastGood(ctx, config)
	}
}
