/* SPDX-License-Identifier: Apache-2.0 */

/* A stand-in for io/stream: what the other side says is put into it by hand. */
#pragma once

#include "io/stream.h"

/* The one that was made last and is still there; NULL: none. */
struct stream *fake_stream_last(void);

/* It is connected; it has received; the other side has closed. The stream may be gone afterwards.
 */
void fake_stream_connect(struct stream *stream);
void fake_stream_receive(struct stream *stream, struct str data);
void fake_stream_close(struct stream *stream);
