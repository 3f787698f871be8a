"""What a transformer is made of: sizes, attention, feed-forward, experts."""

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from better_ai.config.schema import Config


class MoEConfig(Config):
    """A mixture of experts in place of the dense feed-forward of every block."""

    num_experts: PositiveInt = 16
    num_experts_per_token: PositiveInt = 2
    expert_dim: PositiveInt | None = None
    """Inner width of one expert; the model's `ffn_dim` unless given."""
    shared_expert_dim: int = Field(0, ge=0)
    """Inner width of the expert every token passes through; 0 for none."""
    shared_expert_gate: bool = False
    """Scale the shared expert by a learned sigmoid gate (Qwen2-MoE)."""
    normalize_weights: bool = True
    """Divide the chosen experts' weights by their sum."""
    aux_loss_weight: float = Field(0.01, ge=0)
    """Weight of the load-balancing loss (Switch Transformers, arXiv 2101.03961)."""
    z_loss_weight: float = Field(0.0, ge=0)
    """Weight of the router z-loss (ST-MoE, arXiv 2202.08906)."""
    dense_layers: tuple[int, ...] = ()
    """Blocks that keep a dense feed-forward."""

    @model_validator(mode="after")
    def _check(self) -> "MoEConfig":
        if self.num_experts_per_token > self.num_experts:
            raise ValueError(
                f"num_experts_per_token={self.num_experts_per_token} exceeds num_experts={self.num_experts}"
            )
        if self.shared_expert_gate and not self.shared_expert_dim:
            raise ValueError("shared_expert_gate needs a shared expert: set shared_expert_dim")
        return self


class ModelConfig(Config):
    """A decoder-only transformer: RMSNorm, rotary positions, grouped-query attention, SwiGLU or experts."""

    vocab_size: PositiveInt = 32_000
    hidden_dim: PositiveInt = 768
    num_layers: PositiveInt = 8
    num_attention_heads: PositiveInt = 12
    num_key_value_heads: PositiveInt | None = None
    """Fewer than `num_attention_heads` for grouped-query attention; equal unless given."""
    head_dim: PositiveInt | None = None
    """`hidden_dim / num_attention_heads` unless given."""
    ffn_dim: PositiveInt | None = None
    """Inner width of the SwiGLU; 8/3 of `hidden_dim`, rounded up to a multiple of 64, unless given."""
    max_seq_len: PositiveInt = 2048
    rope_theta: PositiveFloat = 10_000.0
    norm_eps: PositiveFloat = 1e-6
    qk_norm: bool = False
    """RMSNorm with a learned scale on each query and key head (Qwen3)."""
    qkv_bias: bool = False
    tie_embeddings: bool = True
    init_std: PositiveFloat = 0.02
    zero_init_residual: bool = False
    """Start the projections that write to the residual stream at zero, so that every block begins as identity."""
    moe: MoEConfig | None = None

    @model_validator(mode="after")
    def _check(self) -> "ModelConfig":
        if self.head_dim is None and self.hidden_dim % self.num_attention_heads:
            raise ValueError(
                f"num_attention_heads={self.num_attention_heads} does not divide hidden_dim={self.hidden_dim}; "
                "change one of them or set head_dim"
            )
        if self.num_attention_heads % self.kv_heads:
            raise ValueError(
                f"num_key_value_heads={self.kv_heads} does not divide num_attention_heads={self.num_attention_heads}"
            )
        if self.head_width % 2:
            raise ValueError(f"rotary positions need an even head width, found {self.head_width}")
        if self.moe and any(not 0 <= layer < self.num_layers for layer in self.moe.dense_layers):
            raise ValueError(f"moe.dense_layers={self.moe.dense_layers} names a block outside 0..{self.num_layers - 1}")
        return self

    @property
    def kv_heads(self) -> int:
        return self.num_key_value_heads or self.num_attention_heads

    @property
    def head_width(self) -> int:
        return self.head_dim or self.hidden_dim // self.num_attention_heads

    @property
    def ffn_width(self) -> int:
        return self.ffn_dim or -(-self.hidden_dim * 8 // 3 // 64) * 64

    @property
    def expert_width(self) -> int:
        return (self.moe and self.moe.expert_dim) or self.ffn_width

    def is_moe_layer(self, layer: int) -> bool:
        return self.moe is not None and layer not in self.moe.dense_layers
