"""Fine-tune Microsoft Phi on Azure, serverless or on your own GPU cluster, from one small file."""
