"""Models by name. Sizes follow the documents that asked for them; counts are printed by `better-ai model describe`."""

from better_ai.config.model import ModelConfig, MoEConfig
from better_ai.config.schema import did_you_mean
from better_ai.errors import ConfigError

MODEL_PRESETS: dict[str, ModelConfig] = {
    "tiny": ModelConfig(
        vocab_size=512, hidden_dim=32, num_layers=2, num_attention_heads=2, ffn_dim=64, max_seq_len=256,
        qk_norm=True, zero_init_residual=True,
    ),
    "quickstart": ModelConfig(
        vocab_size=4096, hidden_dim=192, num_layers=4, num_attention_heads=3, ffn_dim=512, max_seq_len=512,
        qk_norm=True, zero_init_residual=True,
    ),
    "better-ai": ModelConfig(
        vocab_size=64_000, hidden_dim=1536, num_layers=16, num_attention_heads=24, num_key_value_heads=12,
        ffn_dim=6144, max_seq_len=8192, tie_embeddings=False,
        moe=MoEConfig(num_experts=16, num_experts_per_token=2, shared_expert_dim=6144),
    ),
    "blueprint-700m": ModelConfig(
        vocab_size=65_536, hidden_dim=1536, num_layers=24, num_attention_heads=24, num_key_value_heads=8,
        ffn_dim=4096, max_seq_len=4096,
    ),
    "devmentor-350m": ModelConfig(
        vocab_size=50_000, hidden_dim=1024, num_layers=24, num_attention_heads=16, ffn_dim=2816, max_seq_len=4096,
    ),
    "devmentor-1.3b": ModelConfig(
        vocab_size=50_000, hidden_dim=2048, num_layers=24, num_attention_heads=16, ffn_dim=5504, max_seq_len=4096,
    ),
    "devmentor-7b": ModelConfig(
        vocab_size=50_000, hidden_dim=4096, num_layers=32, num_attention_heads=32, ffn_dim=11_008, max_seq_len=4096,
        tie_embeddings=False,
    ),
    "devmentor-13b": ModelConfig(
        vocab_size=50_000, hidden_dim=5120, num_layers=40, num_attention_heads=40, ffn_dim=13_824, max_seq_len=4096,
        tie_embeddings=False,
    ),
    "foundation-500b": ModelConfig(
        vocab_size=131_072, hidden_dim=7168, num_layers=64, num_attention_heads=64, num_key_value_heads=8,
        head_dim=112, ffn_dim=2816, max_seq_len=8192, tie_embeddings=False,
        moe=MoEConfig(num_experts=128, num_experts_per_token=2),
    ),
    "foundation-1t": ModelConfig(
        vocab_size=131_072, hidden_dim=8192, num_layers=80, num_attention_heads=64, num_key_value_heads=8,
        ffn_dim=3968, max_seq_len=8192, tie_embeddings=False,
        moe=MoEConfig(num_experts=128, num_experts_per_token=2),
    ),
}  # fmt: skip


def model_preset(name: str) -> ModelConfig:
    """The preset of that name. Raises ConfigError with the closest known name."""
    if name not in MODEL_PRESETS:
        raise ConfigError(f"unknown model preset {name!r}{did_you_mean(name, MODEL_PRESETS)}")
    return MODEL_PRESETS[name]
