"""The same attention as Segment Anything's encoder, without its matrix of all pairs in memory.

Its attention adds to each pair of query and key a term for their distance in rows and one for
their distance in columns (decomposed relative positions: Li et al. 2022, MViTv2). As written in the
package segment-anything, that takes a matrix of 1024 x 1024 numbers for every head and tile, which
passes through the memory several times and costs more than the arithmetic. The sum of the three
terms is one scalar product, of queries and keys that have 2 x 32 elements more::

    q.k + q.R[row(q) - row(k)] + q.C[column(q) - column(k)]
        = [q, q.R, q.C] . [k, one-hot(row(k)), one-hot(column(k))]

and so any fused kernel can do it.
"""

from typing import Any

import torch
from segment_anything.modeling.image_encoder import Attention, get_rel_pos
from torch import Tensor, nn
from torch.nn import functional


class FusedAttention(nn.Module):
    """Takes the place of an `Attention`, whose weights it uses.

    It must have relative positions, over all tokens of a square tile with `side` tokens a side.
    """

    rows: Tensor
    columns: Tensor
    places: Tensor

    def __init__(self, attention: Attention, side: int) -> None:
        super().__init__()
        self.num_heads = attention.num_heads
        self.qkv: nn.Module = attention.qkv
        self.proj: nn.Module = attention.proj
        width = attention.qkv.in_features // attention.num_heads
        self.padding = 2 * side
        rows = get_rel_pos(side, side, attention.rel_pos_h).detach()
        columns = get_rel_pos(side, side, attention.rel_pos_w).detach()
        # Queries come scaled, so these must undo the scale.
        self.register_buffer("rows", rows / attention.scale)
        self.register_buffer("columns", columns / attention.scale)
        one_hot = torch.eye(side)  # of each token's row, and of its column: (side², 2 side)
        places = torch.cat([one_hot.repeat_interleave(side, 0), one_hot.repeat(side, 1)], 1)
        self.register_buffer("places", places.to(rows))
        self.scale = attention.scale
        self.width = width

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens (N, side, side, C) after attention."""
        n_tiles, side, _, n_channels = tokens.shape
        heads = (n_tiles, side * side, 3, self.num_heads, self.width)
        query, key, value = self.qkv(tokens).view(heads).permute(2, 0, 3, 1, 4).unbind(0)
        query = query * self.scale
        grid = query.reshape(n_tiles, self.num_heads, side, side, self.width)
        by_row = torch.einsum("nhyxc,ykc->nhyxk", grid, self.rows)
        by_column = torch.einsum("nhyxc,xkc->nhyxk", grid, self.columns)
        query = torch.cat([query, by_row.flatten(2, 3), by_column.flatten(2, 3)], -1)
        key = torch.cat([key, self.places.expand(*key.shape[:2], -1, -1)], -1)
        # Fused kernels want values as wide as keys.
        value = functional.pad(value, (0, self.padding))
        mixed = functional.scaled_dot_product_attention(query, key, value, scale=1.0)
        mixed = mixed[..., : self.width].transpose(1, 2).reshape(n_tiles, side, side, n_channels)
        return self.proj(mixed)


def fuse_attention(network: nn.Module) -> None:
    """Replace every attention of a Cellpose-SAM network in place."""
    encoder: Any = network.encoder
    side = int(encoder.pos_embed.shape[1])
    for block in encoder.blocks:
        block.attn = FusedAttention(block.attn, side)
