"""What a hostile server, file or setting can't do: learn a secret, have it told, lead the tap astray, or fill it up."""
